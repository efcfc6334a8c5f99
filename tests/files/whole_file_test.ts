/** Files and folders that are there whole or not at all, on disks that fail, stutter or may not be read. */
import { assert, assertEquals, assertMatch, assertThrows } from "../../src/deps/std.ts";
import { WriteError } from "../../src/base/errors.ts";
import { AppendedFile } from "../../src/files/appended_file.ts";
import { type Disk, SYSTEM_DISK, useDisk } from "../../src/files/disk.ts";
import { WholeFile, writeWhole } from "../../src/files/whole_file.ts";
import {
  makeFolder,
  remove,
  writeFilesWhole,
  writeFolderWhole,
} from "../../src/files/whole_folder.ts";
import { FaultyDisk, type Operation, OPERATIONS } from "../support/faulty_disk.ts";
import { inFolder } from "../support/folders.ts";
import { filesBelow } from "../training/temporary_folder.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Ways of writing, each into a folder that holds `old` with the content "old". */
const WRITERS: Readonly<Record<string, (folder: string) => void>> = {
  "a new file": (folder) => writeWhole(`${folder}/new`, "new content"),
  "a file in place of an old one": (folder) => writeWhole(`${folder}/old`, "new content"),
  "a file in pieces": (folder) => {
    using file = new WholeFile(`${folder}/new`);
    for (const piece of ["new ", "cont", "ent"]) file.write(bytes(piece));
    file.finish();
  },
  "files that belong together": (folder) =>
    writeFilesWhole(folder, new Map([["old", bytes("new")], ["new", bytes("new")]])),
  "a folder": (folder) =>
    writeFolderWhole(`${folder}/f`, new Map([["a", bytes("a")], ["b", bytes("b")]])),
};

for (const [what, write] of Object.entries(WRITERS)) {
  Deno.test(`${what}: whichever operation fails, nothing unfinished is left`, async () => {
    const counting = new FaultyDisk();
    await inFolder(async (folder) => {
      using _ = useDisk(counting);
      await Deno.writeTextFile(`${folder}/old`, "old");
      write(folder);
    });
    for (const operation of OPERATIONS) {
      for (let at = 1; at <= counting.counts[operation]; at++) {
        await inFolder(async (folder) => {
          await Deno.writeTextFile(`${folder}/old`, "old");
          {
            using _ = useDisk(new FaultyDisk({ operation, at, code: "ENOSPC" }));
            const error = assertThrows(() => write(folder), WriteError);
            assertEquals(error.code, "ENOSPC");
            assertMatch(error.message, /^Cannot write "[^"]+": no space is left on the device; /);
            assert(error.path.startsWith(folder) && !error.path.includes(".writing-"));
          }
          await assertNothingUnfinished(folder, operation);
          remove(`${folder}/f`); // a folder that is whole is not replaced
          write(folder);
        });
      }
    }
    assert(counting.counts.sync >= 2 && counting.counts.rename >= 1);
  });
}

/** Every file is the old or the new one; before the first renaming all are the old ones. */
async function assertNothingUnfinished(folder: string, failed: Operation): Promise<void> {
  for (const path of await filesBelow(folder)) {
    const content = await Deno.readTextFile(`${folder}/${path}`);
    assert(["old", "new", "new content", "a", "b"].includes(content), `${path}: ${content}`);
    assert(path === "old" || path === "new" || path.startsWith("f/"), path);
    if (failed === "open" || failed === "write") assertEquals([path, content], ["old", "old"]);
  }
}

Deno.test("a system that takes few bytes at a time gets all of them, one that takes none is full", () =>
  inFolder(async (folder) => {
    const slow = (most: number): Disk => ({
      ...SYSTEM_DISK,
      open: (...args) => {
        const file = SYSTEM_DISK.open(...args);
        const writeSync = (data: Uint8Array) =>
          most === 0 ? 0 : file.writeSync(data.subarray(0, most));
        return {
          writeSync,
          syncSync: () => file.syncSync(),
          truncateSync: (n) => file.truncateSync(n),
          close: () => file.close(),
        };
      },
    });
    {
      using _ = useDisk(slow(3));
      writeWhole(`${folder}/a`, "eleven char");
      writeFolderWhole(`${folder}/f`, new Map([["b", bytes("eleven char")]]));
      new AppendedFile(`${folder}/a`, 11).append(bytes(", more"));
    }
    assertEquals(await Deno.readTextFile(`${folder}/a`), "eleven char, more");
    assertEquals(await Deno.readTextFile(`${folder}/f/b`), "eleven char");
    using _ = useDisk(slow(0));
    assertThrows(() => writeWhole(`${folder}/c`, "x"), WriteError, "no space");
    assertEquals(await filesBelow(folder), ["a", "f/b"]);
  }));

Deno.test("a piece that cannot be appended is taken back, and the next one stands alone", () =>
  inFolder(async (folder) => {
    const path = `${folder}/log`;
    await Deno.writeTextFile(path, "one\n");
    const file = new AppendedFile(path, 4);
    file.append(bytes("two\n"));
    for (const operation of ["open", "write", "sync"] as const) {
      using _ = useDisk(new FaultyDisk({ operation, at: 1, code: "ENOSPC" }));
      assertThrows(() => file.append(bytes("three\n")), WriteError, `Cannot write "${path}"`);
      assertEquals(await Deno.readTextFile(path), "one\ntwo\n");
    }
    file.append(bytes("four\n"));
    assertEquals(await Deno.readTextFile(path), "one\ntwo\nfour\n");
    await Deno.remove(path);
    assertThrows(() => file.append(bytes("five\n")), WriteError, "its folder is not there");
  }));

Deno.test("names that cannot be written are refused in words", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "old");
    await Deno.mkdir(`${folder}/taken`);
    const refused: [string, string][] = [
      ["taken", "a folder has that name"],
      ["none/file", "its folder is not there"],
      ["file/x", "a file stands where a folder is needed"],
      ["n".repeat(300), "the name is longer than the file system allows"],
    ];
    for (const [name, reason] of refused) {
      const { message } = assertThrows(() => writeWhole(`${folder}/${name}`, "x"), WriteError);
      assert(message.startsWith(`Cannot write "${folder}/${name}": ${reason}`), message);
      assert(!message.includes("os error"), message);
    }
    assertThrows(() => makeFolder(`${folder}/file`), WriteError, "a file stands where");
    assertThrows(() => makeFolder(`${folder}/file/x`), WriteError, "a file stands where");
    assertEquals(await filesBelow(folder), ["file"]);
    assertEquals(await Deno.readTextFile(`${folder}/file`), "old");
  }));

Deno.test("a code without a meaning of its own is quoted, with what to look at", () =>
  inFolder(async (folder) => {
    using _ = useDisk(new FaultyDisk({ operation: "sync", at: 1, code: "EUNHEARD" }));
    const { message } = assertThrows(() => writeWhole(`${folder}/a`, "x"), WriteError);
    assertMatch(message, /: the system refuses \(EUNHEARD\); check the folder and its device$/);
    await Promise.resolve();
  }));

Deno.test("the part of a folder that was removed does not come back, a whole path is made", () =>
  inFolder(async (folder) => {
    makeFolder(`${folder}/a/b`);
    makeFolder(`${folder}/a/b`);
    makeFolder(`${folder}/a/b/c`, { parents: false });
    makeFolder(`${folder}/a/b/c`, { parents: false });
    remove(`${folder}/a`);
    remove(`${folder}/a`);
    assertThrows(
      () => makeFolder(`${folder}/a/b/c`, { parents: false }),
      WriteError,
      "its folder is not there",
    );
    assertEquals(await filesBelow(folder), []);
  }));

Deno.test("without read permission files are written in place, whole or not at all", () =>
  inFolder(async (folder) => {
    const unreadable = (disk: Disk): Disk => {
      disk.mayRename = () => false;
      disk.rename = () => {
        throw new Error("renaming needs read permission");
      };
      return disk;
    };
    for (const write of Object.values(WRITERS)) {
      using _ = useDisk(unreadable(new FaultyDisk()));
      await Deno.remove(`${folder}/f`, { recursive: true }).catch(() => {});
      write(folder);
    }
    assertEquals(await Deno.readTextFile(`${folder}/new`), "new");
    assertEquals(await Deno.readTextFile(`${folder}/f/a`), "a");
    for (const operation of ["write", "sync"] as const) {
      using _ = useDisk(
        unreadable(new FaultyDisk({ operation, at: 1, code: "ENOSPC", lasting: true })),
      );
      assertThrows(() => writeWhole(`${folder}/c`, "x"), WriteError, "no space");
      assertThrows(
        () => writeFolderWhole(`${folder}/g`, new Map([["a", bytes("a")]])),
        WriteError,
      );
    }
    assertEquals(await filesBelow(folder), ["f/a", "f/b", "new", "old"]);
  }));
