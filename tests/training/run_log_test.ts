import { assert, assertEquals, assertRejects, assertThrows } from "../../src/deps/std.ts";
import { CheckpointError, WriteError } from "../../src/base/errors.ts";
import { useDisk } from "../../src/files/disk.ts";
import { readRunLog, RunLog } from "../../src/training/run_log.ts";
import { FaultyDisk } from "../support/faulty_disk.ts";
import { inTemporaryFolder } from "./temporary_folder.ts";

const rows = [{ epoch: 0, loss: 3 }, { epoch: 1, loss: 0.1 + 0.2 }, { epoch: 2, loss: 1 }];

async function writeRows(path: string, fromEpoch: number, list = rows) {
  const log = await RunLog.open(path, { fromEpoch });
  for (const row of list) await log.append(row);
}

Deno.test("rows come back as they were written, one per line", () =>
  inTemporaryFolder(async (folder) => {
    const path = `${folder}/log.jsonl`;
    assertEquals(await readRunLog(path), { rows: [], torn: false });
    await writeRows(path, 0);
    assertEquals(await readRunLog(path), { rows, torn: false });
    assertEquals((await Deno.readTextFile(path)).split("\n").length, 4);
  }));

Deno.test("a row is on the disk as soon as it is appended", () =>
  inTemporaryFolder(async (folder) => {
    const log = await RunLog.open(`${folder}/log.jsonl`);
    await log.append(rows[0]);
    assertEquals((await readRunLog(`${folder}/log.jsonl`)).rows, [rows[0]]);
  }));

Deno.test("a log cut at any byte still gives every whole row", () =>
  inTemporaryFolder(async (folder) => {
    const path = `${folder}/log.jsonl`;
    await writeRows(path, 0);
    const whole = await Deno.readFile(path);
    const ends = rows.map((_, i) =>
      rows.slice(0, i + 1).map((r) => JSON.stringify(r).length + 1).reduce((a, b) => a + b)
    );
    for (let length = 0; length <= whole.length; length++) {
      await Deno.writeFile(path, whole.subarray(0, length));
      const { rows: found, torn } = await readRunLog(path);
      // A row counts from its closing brace on; the line break may be missing.
      assertEquals(found, rows.slice(0, ends.filter((end) => end - 1 <= length).length));
      assertEquals(torn, length > 0 && !ends.includes(length));
    }
  }));

Deno.test("resuming drops a torn line and the rows of epochs that are trained again", () =>
  inTemporaryFolder(async (folder) => {
    const path = `${folder}/log.jsonl`;
    await writeRows(path, 0);
    await Deno.writeTextFile(path, '{"epoch":3,"lo', { append: true });
    assert((await readRunLog(path)).torn);
    await writeRows(path, 2, [{ epoch: 2, loss: 9 }]);
    assertEquals(await readRunLog(path), {
      rows: [...rows.slice(0, 2), { epoch: 2, loss: 9 }],
      torn: false,
    });
  }));

Deno.test("rows that the log lost are put back from what the checkpoint knows", () =>
  inTemporaryFolder(async (folder) => {
    const path = `${folder}/log.jsonl`;
    await writeRows(path, 0, [rows[0]]);
    const log = await RunLog.open(path, { fromEpoch: 2, known: rows.slice(0, 2) });
    log.append(rows[2]);
    assertEquals(await readRunLog(path), { rows, torn: false });
  }));

Deno.test("a row that does not fit on the disk leaves no part of itself", () =>
  inTemporaryFolder(async (folder) => {
    const path = `${folder}/log.jsonl`;
    const log = await RunLog.open(path);
    log.append(rows[0]);
    {
      using _ = useDisk(new FaultyDisk({ operation: "write", at: 1, code: "ENOSPC" }));
      assertThrows(() => log.append(rows[1]), WriteError, `Cannot write "${path}": no space`);
    }
    assertEquals(await readRunLog(path), { rows: [rows[0]], torn: false });
  }));

Deno.test("starting afresh empties an old log", () =>
  inTemporaryFolder(async (folder) => {
    const path = `${folder}/log.jsonl`;
    await Deno.writeTextFile(path, "anything\nat all");
    await writeRows(path, 0, [rows[0]]);
    assertEquals((await readRunLog(path)).rows, [rows[0]]);
  }));

Deno.test("a line in the middle that is no row is an error that names it", () =>
  inTemporaryFolder(async (folder) => {
    const path = `${folder}/log.jsonl`;
    for (const line of ["{}", "[1]", "null", '{"epoch":"1"}', "{broken"]) {
      await Deno.writeTextFile(path, `{"epoch":0}\n${line}\n{"epoch":2}\n`);
      await assertRejects(() => readRunLog(path), CheckpointError, "line 2");
    }
  }));
