/** A row's own random numbers: a function of seed, epoch and row alone. */
import { RandomStream } from "../../src/base/random.ts";
import { rowStream } from "../../src/base/row_stream.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { assertEquals, assertThrows } from "../../src/deps/std.ts";

Deno.test("seed, epoch, row and purpose each change the draws, and nothing else does", () => {
  const draw = (seed: number, epoch: number, row: number, purpose = "crop") =>
    rowStream(seed, { epoch, row }).split(purpose).uniform();
  const all = [
    draw(1, 0, 0),
    draw(2, 0, 0),
    draw(1, 1, 0),
    draw(1, 0, 1),
    draw(1, 1, 1),
    draw(1, 0, 0, "mask"),
  ];
  assertEquals(new Set(all).size, all.length);
  assertEquals(draw(1, 0, 0), all[0]);
  // Epoch 2 of row 3 is not epoch 3 of row 2.
  assertEquals(draw(1, 2, 3) === draw(1, 3, 2), false);
});

Deno.test("the path stands: a resumed run of a later version draws the same", () => {
  const stream = RandomStream.fromSeed(7).split("rows").split(4).split(11);
  assertEquals(rowStream(7, { epoch: 4, row: 11 }).integer(1e9), stream.integer(1e9));
});

Deno.test("a seed that is no whole number is refused", () => {
  assertThrows(() => rowStream(0.5, { epoch: 0, row: 0 }), ConfigError, "seed is 0.5");
});
