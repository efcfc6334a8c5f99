/** The report page of a run: its summary and figures in one HTML file that needs nothing else. */
import { escapeXml } from "./svg.ts";

/** What stands on the page. */
export interface ReportPage {
  readonly title: string;
  /** Plain text, shown as it is. */
  readonly summary: string;
  /** Figures with a sentence each. */
  readonly figures: readonly { readonly svg: string; readonly caption: string }[];
}

/**
 * Makes the page.
 *
 * @param page Its contents.
 * @returns A complete HTML document.
 */
export function reportPage(page: ReportPage): string {
  const figures = page.figures.map(({ svg, caption }) =>
    `<figure>\n${svg}<figcaption>${escapeXml(caption)}</figcaption>\n</figure>`
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeXml(page.title)}</title>
<style>
body { font: 15px/1.5 sans-serif; max-width: 720px; margin: 2em auto; padding: 0 1em; color: #222; }
pre { background: #f5f5f5; padding: 1em; overflow-x: auto; }
figure { margin: 2em 0; }
figcaption { color: #555; }
svg { max-width: 100%; height: auto; }
</style>
<h1>${escapeXml(page.title)}</h1>
<pre>${escapeXml(page.summary)}</pre>
${figures.join("\n")}
</html>
`;
}
