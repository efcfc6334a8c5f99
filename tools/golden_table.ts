/**
 * Runs the comparisons with the reference implementation and prints what they counted as one table: values
 * compared per fixture and engine, and how close the worst of them came to its tolerance.
 *
 * Run with: deno task golden
 */

/** One line a comparison prints: `golden | fixture | engine | n tensors | n values | worst ratio … x (name)`. */
const LINE =
  /golden \| (.+?) \| (.+?) \| (\d+) tensors \| (\d+) values \| .*? ([\d.e+-]+) \((.+)\)/;

async function main(): Promise<number> {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: ["task", "--quiet", "test:golden"],
    env: { NO_COLOR: "1", RECVAE_NIGHTLY: "1" },
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  const found = text.split("\n").map((line) => LINE.exec(line)).filter((match) => match !== null);
  if (code !== 0 || found.length === 0) {
    console.error(text, new TextDecoder().decode(stderr));
    return 1;
  }
  console.log("| fixture | engine | tensors | values | worst error ÷ tolerance |");
  console.log("| --- | --- | ---: | ---: | --- |");
  let values = 0;
  let worst = 0;
  for (const [, fixture, engine, tensors, count, ratio, name] of found) {
    values += Number(count);
    worst = Math.max(worst, Number(ratio));
    console.log(`| ${fixture} | ${engine} | ${tensors} | ${count} | ${ratio} (${name}) |`);
  }
  console.log(`| all | | | ${values} | ${worst.toFixed(4)} |`);
  return 0;
}

if (import.meta.main) Deno.exit(await main());
