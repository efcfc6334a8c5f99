/** The program with the guard family, in a process of its own. */
import { runCli } from "../../src/cli/program.ts";
import { withFamily } from "../../src/pipelines/families.ts";
import { guardFamily } from "./guard_family.ts";

Deno.exit(await withFamily(guardFamily, () => runCli(Deno.args)));
