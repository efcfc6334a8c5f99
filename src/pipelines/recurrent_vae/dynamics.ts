/** The dynamics of a run in words: time constants and periods of the reported transition, beside those of training's F. */
import type { Eigenvalue } from "../../linalg/eigenvalues.ts";
import {
  type DynamicsMode,
  type ReportedDynamics,
  timeConstant,
} from "../../evaluation/reported_dynamics.ts";

/** Modes that are printed. */
const SHOWN_MODES = 5;

/** What the lines are about. */
export interface DynamicsFacts {
  /** Of training's F, largest modulus first. */
  readonly eigenvalues: readonly Eigenvalue[];
  /** Least squares on the posterior means of the training runs; null when they do not determine it. */
  readonly reported: ReportedDynamics | null;
  /** Seconds between frames; null when nobody says. */
  readonly repetitionTime: number | null;
  /** Frames of a run: a period beyond them is none that was seen. */
  readonly frames: number;
  /** ρ of training's ridge. */
  readonly rho: number;
  /** Whether the states mean nothing. */
  readonly meaningless: boolean;
}

/** The lines of a summary. */
export function dynamicsLines(facts: DynamicsFacts): string[] {
  const { eigenvalues, reported, rho } = facts;
  const largest = eigenvalues[0];
  if (!largest) return [];
  if (largest.modulus === 0) return ["Dynamics  F is zero: the states do not follow each other."];
  if (facts.meaningless) {
    return ["Dynamics  no time constants: they would describe nothing, see the note."];
  }
  const moduli = eigenvalues.filter(({ imaginary }) => imaginary >= 0).slice(0, SHOWN_MODES)
    .map(({ modulus }) => modulus.toFixed(2)).join(", ");
  const ofTraining = `F of training (ridge, rho ${rho}) has moduli ${moduli}`;
  if (!reported) {
    return [
      `Dynamics  ${ofTraining}; the states are too few or too alike for an estimate without penalty.`,
    ];
  }
  const more = reported.modes.length - SHOWN_MODES;
  return [
    `Dynamics  of the ${reported.pairs} pairs of frames trained on, by least squares, with 95 % intervals:`,
    ...reported.modes.slice(0, SHOWN_MODES).map((mode) => `          ${modeWords(mode, facts)}`),
    ...(more > 0 ? [`          and ${more} faster ${more === 1 ? "mode" : "modes"}`] : []),
    `          ${ofTraining}.`,
  ];
}

function modeWords(mode: DynamicsMode, { repetitionTime, frames }: DynamicsFacts): string {
  const unit = repetitionTime === null ? "frames" : "s";
  const inUnit = (frames: number) => digits(frames * (repetitionTime ?? 1));
  const [low, high] = mode.modulusInterval;
  const decay = mode.modulus < 1
    ? `time constant ${inUnit(mode.timeConstant)} ${unit} (${inUnit(timeConstant(low))} to ${
      high < 1 ? inUnit(timeConstant(high)) : "no decay"
    })`
    : "does not decay";
  const turn = mode.period <= frames ? `, period ${inUnit(mode.period)} ${unit}` : "";
  return `modulus ${mode.modulus.toFixed(3)} (${low.toFixed(3)} to ${
    high.toFixed(3)
  }): ${decay}${turn}`;
}

function digits(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "n/a";
}
