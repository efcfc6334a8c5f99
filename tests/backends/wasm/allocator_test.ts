import { ALIGNMENT, Allocator } from "../../../src/backends/wasm/allocator.ts";
import { RecvaeError } from "../../../src/base/errors.ts";
import { RandomStream } from "../../../src/base/random.ts";
import { assert, assertEquals, assertThrows } from "../../../src/deps/std.ts";

Deno.test("allocator: 20,000 random allocations and frees never overlap and leave one free block", () => {
  const random = RandomStream.fromSeed(7);
  const allocator = new Allocator(100, 1 << 20);
  const live = new Map<number, number>();
  let full = 0;
  for (let step = 0; step < 20_000; step++) {
    if (live.size > 0 && random.uniform() < 0.48) {
      const addresses = [...live.keys()];
      const address = addresses[Math.floor(random.uniform() * addresses.length)];
      allocator.free(address);
      live.delete(address);
    } else {
      const bytes = Math.floor(2 ** (random.uniform() * 15));
      const address = allocator.allocate(bytes);
      if (address < 0) full++;
      else {
        assertEquals(address % ALIGNMENT, 0);
        assert(allocator.sizeOf(address) >= bytes);
        live.set(address, allocator.sizeOf(address));
      }
    }
    if (step % 500 === 0) {
      allocator.verify();
      requireDisjoint(live);
    }
  }
  assert(full > 0, "the range must have run full for the test to mean something");
  for (const address of live.keys()) allocator.free(address);
  allocator.verify();
  const { used, blocks, largestFree, reserved } = allocator.statistics();
  assertEquals([used, blocks, largestFree], [0, 0, reserved]);
});

Deno.test("allocator: fills its range to the last block, then says no, then serves again after a free", () => {
  const allocator = new Allocator(0, 10 * ALIGNMENT);
  const blocks = Array.from({ length: 10 }, () => allocator.allocate(1));
  assertEquals(blocks, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => n * ALIGNMENT));
  assertEquals(allocator.allocate(1), -1);
  allocator.free(blocks[3]);
  assertEquals(allocator.allocate(ALIGNMENT + 1), -1);
  assertEquals(allocator.allocate(ALIGNMENT), blocks[3]);
});

Deno.test("allocator: a new end of the range joins the free block before it", () => {
  const allocator = new Allocator(0, 4 * ALIGNMENT);
  const first = allocator.allocate(ALIGNMENT);
  assertEquals(allocator.shortfall(5 * ALIGNMENT), 2 * ALIGNMENT);
  allocator.extend(6 * ALIGNMENT);
  assertEquals(allocator.allocate(5 * ALIGNMENT), first + ALIGNMENT);
  allocator.verify();
});

Deno.test("allocator: takes the smallest free block that fits", () => {
  const allocator = new Allocator(0, 100 * ALIGNMENT);
  const large = allocator.allocate(20 * ALIGNMENT);
  allocator.allocate(1);
  const small = allocator.allocate(10 * ALIGNMENT);
  allocator.allocate(1);
  allocator.free(large);
  allocator.free(small);
  assertEquals(allocator.allocate(9 * ALIGNMENT), small);
  assertEquals(allocator.allocate(9 * ALIGNMENT), large);
});

Deno.test("allocator: freeing twice throws", () => {
  const allocator = new Allocator(0, 4 * ALIGNMENT);
  const address = allocator.allocate(1);
  allocator.free(address);
  assertThrows(() => allocator.free(address), RecvaeError, "no live block");
});

function requireDisjoint(live: ReadonlyMap<number, number>): void {
  let end = 0;
  for (const [address, size] of [...live].sort(([a], [b]) => a - b)) {
    assert(address >= end, `block at ${address} overlaps the one before it`);
    end = address + size;
  }
}
