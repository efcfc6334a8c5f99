/** `deno task test` runs quick rooms first: each of them is there and holds tests. */
import { assert } from "../../src/deps/std.ts";
import { ROOT } from "../../tools/repository.ts";
import { QUICK_ROOMS } from "../../tools/test.ts";

Deno.test("every room of the quick part of the tests holds tests", () => {
  for (const room of QUICK_ROOMS) {
    const names = [...Deno.readDirSync(`${ROOT}tests/${room}`)].map(({ name }) => name);
    assert(names.some((name) => name.endsWith("_test.ts")), room);
  }
});
