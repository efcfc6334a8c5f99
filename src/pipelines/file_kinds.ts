/** Files of single families, for the commands that take a file of any kind. */
import { readFileHead } from "../data/openers/regular_file.ts";
import { allFamilies } from "./families.ts";
import type { FamilyFileKind } from "./pipeline.ts";

/** Bytes that tell what a file is. */
export const HEAD_BYTES = 352;

/**
 * The kind of a file that a family knows.
 *
 * @param head The file's first bytes.
 * @param path Its path.
 * @returns Undefined when no family knows it.
 */
export function fileKindOf(head: Uint8Array, path: string): FamilyFileKind | undefined {
  return allFamilies().flatMap(({ fileKinds = [] }) => fileKinds)
    .find((kind) => kind.recognises(head, path));
}

/**
 * What makes a file into another one, where a family can.
 *
 * @param from The file.
 * @param to The output, whose ending says what is wanted.
 * @returns Undefined when no family can.
 * @throws {FormatError} when the file cannot be opened and some family makes files of that ending.
 */
export function conversionOf(from: string, to: string) {
  const endingOf = ({ conversions = {} }: FamilyFileKind) =>
    Object.keys(conversions).find((ending) => to.endsWith(ending));
  const makers = allFamilies().flatMap(({ fileKinds = [] }) => fileKinds).filter(endingOf);
  if (makers.length === 0) return undefined;
  const head = readFileHead(from, HEAD_BYTES);
  const kind = makers.find((kind) => kind.recognises(head, from));
  return kind && kind.conversions![endingOf(kind)!];
}
