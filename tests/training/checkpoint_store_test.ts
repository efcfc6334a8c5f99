import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../../src/deps/std.ts";
import { CheckpointError, ConfigError, WriteError } from "../../src/base/errors.ts";
import { SYSTEM_DISK, useDisk } from "../../src/files/disk.ts";
import { CheckpointStore } from "../../src/training/checkpoint_store.ts";
import { FaultyDisk } from "../support/faulty_disk.ts";
import { filesBelow, inTemporaryFolder } from "./temporary_folder.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const content = (n: number) =>
  new Map([["a.bin", bytes(`content ${n}`)], ["b.json", bytes(`{"n":${n}}`)]]);

/** The number saved by `content`, as found in the newest whole generation. */
async function newest(store: CheckpointStore): Promise<number | null> {
  const loaded = await store.loadNewest();
  if (!loaded) return null;
  assertEquals([...loaded.files.keys()].sort(), ["a.bin", "b.json"]);
  const { n } = JSON.parse(new TextDecoder().decode(loaded.files.get("b.json")));
  assertEquals(loaded.files.get("a.bin"), bytes(`content ${n}`));
  return n;
}

Deno.test("the newest generation is loaded and only the last few are kept", () =>
  inTemporaryFolder(async (folder) => {
    const store = new CheckpointStore(`${folder}/deep/checkpoints`, { keep: 2 });
    assertEquals(await store.loadNewest(), null);
    for (const n of [1, 2, 3, 4]) assertEquals(await store.save(content(n)), n);
    assertEquals(await store.generations(), [4, 3]);
    assertEquals(await newest(store), 4);
    assertEquals(await newest(new CheckpointStore(`${folder}/deep/checkpoints`)), 4);
  }));

Deno.test("a store that may not read its folder numbers and clears what it saved itself", () =>
  inTemporaryFolder(async (folder) => {
    const store = new CheckpointStore(`${folder}/checkpoints`, { keep: 2 });
    {
      using _ = useDisk({ ...SYSTEM_DISK, mayRename: () => false });
      for (const n of [1, 2, 3]) assertEquals(await store.save(content(n)), n);
    }
    assertEquals(await store.generations(), [3, 2]);
    assertEquals(await newest(store), 3);
  }));

Deno.test("a save that the disk refuses leaves the older generations as they are", () =>
  inTemporaryFolder(async (folder) => {
    const store = new CheckpointStore(folder);
    await store.save(content(1));
    for (const operation of ["folder", "open", "write", "sync", "rename"] as const) {
      const at = operation === "folder" ? 2 : 1; // the first is the store's own
      using _ = useDisk(new FaultyDisk({ operation, at, code: "ENOSPC" }));
      await assertRejects(() => store.save(content(2)), WriteError, "generation-000002");
      assertEquals((await filesBelow(folder)).length, 3);
      assertEquals(await newest(store), 1);
    }
  }));

/** Ways a generation can be spoilt: what to do to its folder, and what must be said about it. */
const DAMAGES: [string, (generation: string) => Promise<void>, string][] = [
  ["a cut file", (g) => Deno.truncate(`${g}/a.bin`, 3), "a.bin has 3 bytes, needs 9"],
  ["a longer file", (g) => Deno.writeFile(`${g}/a.bin`, bytes("content 22")), "10 bytes, needs 9"],
  ["a flipped bit", (g) => Deno.writeFile(`${g}/a.bin`, bytes("content 3")), "SHA-256"],
  ["a missing file", (g) => Deno.remove(`${g}/b.json`), "b.json is missing"],
  ["a missing manifest", (g) => Deno.remove(`${g}/manifest.json`), "manifest.json is missing"],
  ["a torn manifest", (g) => Deno.truncate(`${g}/manifest.json`, 20), "not JSON"],
  ["an empty manifest", (g) => Deno.truncate(`${g}/manifest.json`, 0), "not JSON"],
  [
    "a manifest of zeros",
    (g) => Deno.writeFile(`${g}/manifest.json`, new Uint8Array(90)),
    "not JSON",
  ],
  ["a manifest of another kind", (g) => Deno.writeTextFile(`${g}/manifest.json`, "[1]"), "table"],
  [
    "a manifest that points outside",
    (g) => Deno.writeTextFile(`${g}/manifest.json`, '{"../x":{"bytes":1,"sha256":""}}'),
    "bad entry",
  ],
];

for (const [name, damage, reason] of DAMAGES) {
  Deno.test(`a generation with ${name} is passed over for the one before, with the reason`, () =>
    inTemporaryFolder(async (folder) => {
      const store = new CheckpointStore(folder);
      await store.save(content(1));
      await store.save(content(2));
      await damage(`${folder}/generation-000002`);
      const loaded = await store.loadNewest();
      assertEquals(loaded?.generation, 1);
      assertEquals(loaded?.rejected.length, 1);
      assertStringIncludes(loaded!.rejected[0].reason, reason);
      // The next save does not reuse the number of the damaged one.
      assertEquals(await store.save(content(3)), 3);
      assertEquals(await newest(store), 3);
    }));
}

Deno.test("every single bit of a generation matters", () =>
  inTemporaryFolder(async (folder) => {
    const store = new CheckpointStore(folder);
    await store.save(content(1));
    await store.save(content(2));
    for (const name of ["a.bin", "b.json"]) {
      const path = `${folder}/generation-000002/${name}`;
      const original = await Deno.readFile(path);
      for (let bit = 0; bit < original.length * 8; bit++) {
        const damaged = original.slice();
        damaged[bit >> 3] ^= 1 << (bit & 7);
        await Deno.writeFile(path, damaged);
        assertEquals(await newest(store), 1);
      }
      await Deno.writeFile(path, original);
      assertEquals(await newest(store), 2);
    }
  }));

Deno.test("when no generation is whole the error lists what is wrong with each", () =>
  inTemporaryFolder(async (folder) => {
    const store = new CheckpointStore(folder);
    await store.save(content(1));
    await store.save(content(2));
    for (const g of ["000001", "000002"]) await Deno.remove(`${folder}/generation-${g}/a.bin`);
    const error = await assertRejects(
      () => store.loadNewest(),
      CheckpointError,
      "found 2 checkpoints",
    );
    assertEquals(error.path, folder);
    assertStringIncludes(error.message, "generation-000001: a.bin is missing");
  }));

Deno.test("what a killed process left is ignored and cleared at the next save", () =>
  inTemporaryFolder(async (folder) => {
    const store = new CheckpointStore(folder);
    await store.save(content(1));
    await Deno.mkdir(`${folder}/.writing-generation-000002-abcd`);
    await Deno.writeTextFile(`${folder}/.writing-generation-000002-abcd/a.bin`, "half");
    assertEquals(await newest(store), 1);
    await store.save(content(2));
    assert((await filesBelow(folder)).every((path) => path.startsWith("generation-")));
  }));

Deno.test("a file in place of the checkpoint folder is a clear error", () =>
  inTemporaryFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/checkpoints`, "not a folder");
    const store = new CheckpointStore(`${folder}/checkpoints`);
    await assertRejects(() => store.save(content(1)), WriteError, "checkpoints");
  }));

Deno.test("keeping fewer than one generation is refused", () => {
  assertEquals(
    assertThrows(() => new CheckpointStore("x", { keep: 0 }), ConfigError).field,
    "keep",
  );
});
