/** The repository served over http on localhost, as a module host would, and programs that import from it. */

const ROOT = new URL("../../", import.meta.url);

const TYPES: Readonly<Record<string, string>> = {
  ts: "application/typescript",
  js: "text/javascript",
  wasm: "application/wasm",
  json: "application/json",
};

/** A running server. */
export interface RepositoryServer {
  /** Host and port: `127.0.0.1:43210`. */
  readonly address: string;
  /** Paths that were asked for so far. */
  readonly asked: ReadonlySet<string>;
  /** Stops it at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Serves the repository's files on a free port. */
export function serveRepository(): RepositoryServer {
  const asked = new Set<string>();
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      asked.add(pathname);
      try {
        const body = await Deno.readFile(new URL(`.${pathname}`, ROOT));
        const type = TYPES[pathname.split(".").at(-1)!] ?? "application/octet-stream";
        return new Response(body, { headers: { "content-type": type } });
      } catch {
        return new Response("not found", { status: 404 });
      }
    },
  );
  return {
    address: `127.0.0.1:${server.addr.port}`,
    asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
