/** What `recvae inspect` says about a PyTorch file. */
import type { NdArray, NumericArray } from "../base/arrays.ts";
import { readRegularFile } from "../data/openers/regular_file.ts";
import { describeTorchFile } from "../formats/torch_outline.ts";
import { readTorchState } from "../formats/torch_state.ts";

/** Facts about a PyTorch file, and the arrays of its state where it is plain which that is. */
export interface TorchFacts {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly arrays: ReadonlyMap<string, NdArray<NumericArray>>;
}

/**
 * Reads a PyTorch file for `inspect`.
 *
 * @param path The file.
 * @throws {FormatError} when it cannot be read at all.
 */
export function torchFacts(path: string): TorchFacts {
  const bytes = readRegularFile(path);
  const { kind, states, holds, asksFor } = describeTorchFile(bytes, path);
  const facts: Record<string, unknown> = { kind: `PyTorch ${kind}` };
  if (kind !== "state dictionary") facts.holds = holds;
  if (asksFor.length > 0) {
    facts.asksFor = asksFor;
    facts.advice = "this needs Python code to be read; there, save the state alone: " +
      'torch.save(model.state_dict(), "state.pt")';
  }
  if (states.length > 1) {
    facts.states = states;
    facts.advice = `recvae convert --state ${states[0]} takes one of the states`;
  }
  if (states.length !== 1) return { facts, arrays: new Map() };
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  const arrays = readTorchState(bytes, { source: path, onNote });
  if (states[0] !== ".") facts.state = states[0];
  if (notes.length > 0) facts.notes = notes;
  return { facts, arrays };
}
