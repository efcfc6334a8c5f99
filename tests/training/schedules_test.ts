import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { EarlyStopping } from "../../src/training/early_stopping.ts";
import {
  createSchedule,
  klRamp,
  type ScheduleKind,
  type ScheduleOptions,
} from "../../src/training/schedules.ts";

const at = (epoch: number, step = 0) => ({ epoch, step });

Deno.test("the constant schedule never changes", () => {
  const schedule = createSchedule("constant", { learningRate: 0.3, epochs: 2 });
  assertEquals([0, 1, 100].map((e) => schedule.rateAt(at(e, 7 * e))), [0.3, 0.3, 0.3]);
});

Deno.test("the cosine falls from lr to etaMin and stays there", () => {
  const schedule = createSchedule("cosine", { learningRate: 1, epochs: 4, etaMin: 0.2 });
  const expected = [
    1,
    0.2 + 0.4 * (1 + Math.SQRT1_2),
    0.6,
    0.2 + 0.4 * (1 - Math.SQRT1_2),
    0.2,
    0.2,
  ];
  expected.forEach((rate, e) => assertAlmostEquals(schedule.rateAt(at(e)), rate, 1e-15));
});

Deno.test("per step the cosine counts updates over the whole run", () => {
  const options = { learningRate: 1, epochs: 2, per: "step", stepsPerEpoch: 2 } as const;
  const schedule = createSchedule("cosine", options);
  assertAlmostEquals(schedule.rateAt(at(0, 1)), (1 + Math.SQRT1_2) / 2, 1e-15);
  assertAlmostEquals(schedule.rateAt(at(1, 2)), 0.5, 1e-15);
  assertEquals(schedule.rateAt(at(0, 0)), 1);
});

Deno.test("warm-up rises linearly to lr, then the cosine takes the remaining length", () => {
  const schedule = createSchedule("warmup-cosine", { learningRate: 8, epochs: 8, warmup: 4 });
  assertEquals([0, 1, 2, 3, 4].map((e) => schedule.rateAt(at(e))), [2, 4, 6, 8, 8]);
  assertAlmostEquals(schedule.rateAt(at(6)), 4, 1e-14);
  assertAlmostEquals(schedule.rateAt(at(8)), 0, 1e-15);
  const automatic = createSchedule("warmup-cosine", { learningRate: 1, epochs: 30 });
  assert(automatic.rateAt(at(1)) < 1 && automatic.rateAt(at(2)) === 1);
  const all = createSchedule("warmup-cosine", { learningRate: 1, epochs: 2, warmup: 2 });
  assertEquals([0, 1].map((e) => all.rateAt(at(e))), [0.5, 1]);
});

Deno.test("the KL ramp reaches 1 after a tenth of the epochs", () => {
  assertEquals([0, 5, 10, 99].map((e) => klRamp(e, 100)), [0, 0.5, 1, 1]);
  assertEquals(klRamp(0, 100, { fraction: 0 }), 1);
});

Deno.test("schedule options out of range are refused by name", () => {
  const good = { learningRate: 1, epochs: 4 };
  const cases: [ScheduleKind, Partial<ScheduleOptions>, string][] = [
    ["constant", { learningRate: 0 }, "learningRate"],
    ["constant", { epochs: 0.5 }, "epochs"],
    ["cosine", { etaMin: 2 }, "etaMin"],
    ["cosine", { per: "step" }, "stepsPerEpoch"],
    ["cosine", { per: "batch" as "step" }, "per"],
    ["warmup-cosine", { warmup: 5 }, "warmup"],
    ["linear" as ScheduleKind, {}, "schedule"],
    ["cosine", { epochs: undefined }, "epochs"],
    ["cosine", { epochs: undefined, per: "step" }, "epochs"],
    ["plateau", { factor: 1 }, "factor"],
    ["plateau", { patience: -1 }, "patience"],
    ["plateau", { threshold: -1 }, "threshold"],
    ["plateau", { etaMin: 2 }, "etaMin"],
  ];
  for (const [kind, options, field] of cases) {
    const error = assertThrows(() => createSchedule(kind, { ...good, ...options }), ConfigError);
    assertEquals(error.field, field);
  }
});

Deno.test("early stopping waits for `patience` epochs without an improvement by minDelta", () => {
  const stopping = new EarlyStopping({ patience: 2, minDelta: 0.1 });
  const losses = [5, 4, 3.95, 3.8, 3.75, 3.7, 1];
  const results = losses.map((loss, epoch) => stopping.update({ loss }, epoch));
  assertEquals(results.map((r) => r.improved), [true, true, false, true, false, false, true]);
  assertEquals(results.map((r) => r.stop), [false, false, false, false, false, true, false]);
});

Deno.test("early stopping goes on from a restored state", () => {
  const first = new EarlyStopping({ patience: 2, monitor: "validation" });
  first.update({ validation: 1 }, 0);
  first.update({ validation: 2 }, 1);
  const second = new EarlyStopping({ patience: 2, monitor: "validation" });
  second.restore(JSON.parse(JSON.stringify(first.state)));
  assertEquals(second.update({ validation: 2 }, 2), { improved: false, stop: true });
});

Deno.test("early stopping refuses a metric that is not there and options out of range", () => {
  const stopping = new EarlyStopping({ patience: 1, monitor: "validation" });
  const error = assertThrows(() => stopping.update({ loss: 1 }, 0), ConfigError, "one of loss");
  assertEquals(error.field, "monitor");
  assertThrows(() => new EarlyStopping({ patience: 0 }), ConfigError, "patience");
  assertThrows(() => new EarlyStopping({ patience: 1, minDelta: -1 }), ConfigError, "minDelta");
});
