/** A child of the probe tests: behaves as its second-to-last word in the file's query says. */
import { RESULT_MARK } from "../../../src/backends/probe_child.ts";

const result = { name: "webgpu", available: true, automatic: true, detail: "a fine GPU" };

switch (new URL(import.meta.url).searchParams.get("behave")) {
  case "answer":
    console.log("a driver's chatter");
    console.log(RESULT_MARK + JSON.stringify(result));
    break;
  case "crash":
    Deno.kill(Deno.pid, "SIGABRT");
    break;
  case "hang":
    setInterval(() => {}, 1000);
    break;
  case "throw":
    throw new Error("the driver is too old");
}
