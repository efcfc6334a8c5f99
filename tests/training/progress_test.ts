import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { Interruption, STOPPING_MESSAGE } from "../../src/training/interruption.ts";
import { formatDuration, Progress } from "../../src/training/progress.ts";

/** A progress on a screen and clock of ours: 4 epochs of 5 batches. */
function scene(terminal: boolean, changes: { columns?: number; completedEpochs?: number } = {}) {
  const written: string[] = [];
  let time = 1000;
  const progress = new Progress({
    output: { write: (text) => void written.push(text), terminal, columns: changes.columns },
    epochs: 4,
    batches: 5,
    completedEpochs: changes.completedEpochs,
    now: () => time,
  });
  return { written, progress, pass: (ms: number) => void (time += ms) };
}

Deno.test("on a terminal one line is redrawn with bar, position, loss and remaining time", () => {
  const { written, progress, pass } = scene(true);
  pass(2000);
  progress.batch({ epoch: 0, batch: 0 }, 1234.5678);
  assertEquals(written.length, 1);
  assert(written[0].startsWith("\r\x1b[2K█░"));
  assertStringIncludes(written[0], "epoch 1/4 batch 1/5  loss 1234.6  ETA 0:38");
  assert(!written[0].includes("\n"));
});

Deno.test("a terminal is not redrawn more often than ten times a second, but at the very end", () => {
  const { written, progress, pass } = scene(true);
  for (let i = 0; i < 20; i++) {
    pass(10);
    progress.batch({ epoch: Math.floor(i / 5), batch: i % 5 }, 1);
  }
  assertEquals(written.length, 3);
  assertStringIncludes(written[2], "epoch 4/4 batch 5/5");
  assertStringIncludes(written[2], "ETA 0:00");
});

Deno.test("elsewhere lines are plain, and batches are reported only when an epoch takes long", () => {
  const { written, progress, pass } = scene(false);
  for (let batch = 0; batch < 5; batch++) {
    pass(16_000);
    progress.batch({ epoch: 0, batch }, 0.5);
  }
  progress.message("[epoch 1/4] mean_loss=0.5000");
  assertEquals(written, [
    "epoch 1/4 batch 2/5  loss 0.50000  ETA 4:48\n",
    "epoch 1/4 batch 4/5  loss 0.50000  ETA 4:16\n",
    "[epoch 1/4] mean_loss=0.5000\n",
  ]);
  progress.finish();
  assertEquals(written.length, 3);
});

Deno.test("a message goes above the bar, and finishing takes the bar away", () => {
  const { written, progress, pass } = scene(true);
  pass(500);
  progress.batch({ epoch: 0, batch: 0 }, 1);
  const drawn = written[0].slice("\r\x1b[2K".length);
  progress.message("saved");
  assertEquals(written[1], `\r\x1b[2Ksaved\n${drawn}`);
  progress.finish();
  assertEquals(written[2], "\r\x1b[2K");
});

Deno.test("a narrow terminal cuts the line instead of wrapping it", () => {
  const { written, progress, pass } = scene(true, { columns: 30 });
  pass(500);
  progress.batch({ epoch: 0, batch: 0 }, 1);
  assertEquals(written[0].length, "\r\x1b[2K".length + 29);
});

Deno.test("a resumed run estimates from its own batches only", () => {
  const { written, progress, pass } = scene(true, { completedEpochs: 2 });
  pass(1000);
  progress.batch({ epoch: 2, batch: 0 }, 1);
  assertStringIncludes(written[0], "epoch 3/4 batch 1/5  loss 1.0000  ETA 0:09");
});

Deno.test("losses of any size stay readable", () => {
  const shown = [0, 0.25, 96502.4, 12345678, 1e-5, -3.2, NaN].map((loss) => {
    const { written, progress, pass } = scene(true);
    pass(500);
    progress.batch({ epoch: 0, batch: 0 }, loss);
    return /loss (\S+)/.exec(written[0])![1];
  });
  assertEquals(shown, ["0.0000", "0.25000", "96502", "1.235e+7", "1.000e-5", "-3.2000", "NaN"]);
});

Deno.test("durations read as people write them", () => {
  const cases: [number, string][] = [
    [0, "0:00"],
    [100, "0:01"],
    [59_000, "0:59"],
    [725_000, "12:05"],
    [11_400_000, "3:10:00"],
    [183_600_000, "2 d 3 h"],
  ];
  for (const [ms, text] of cases) assertEquals(formatDuration(ms), text);
});

Deno.test("the first signal asks for a stop, Ctrl-C after it quits, and none is heard after disposal", () => {
  const events: string[] = [];
  let listener: ((name: string) => void) | null = null;
  {
    using interruption = new Interruption({
      subscribe(given) {
        listener = given;
        return () => void (listener = null);
      },
      quit: () => void events.push("quit"),
      notify: (message) => void events.push(message),
    });
    assertEquals(interruption.signal.aborted, false);
    listener!("SIGTERM");
    assertEquals(interruption.signal.aborted, true);
    assertEquals(interruption.signal.reason, "SIGTERM");
    assertEquals(events, [STOPPING_MESSAGE]);
    // A closed terminal may send several signals: none of them is an impatient person.
    listener!("SIGTERM");
    listener!("SIGHUP");
    assertEquals(events, [STOPPING_MESSAGE]);
    listener!("SIGINT");
    assertEquals(events, [STOPPING_MESSAGE, "quit"]);
  }
  assertEquals(listener, null);
});
