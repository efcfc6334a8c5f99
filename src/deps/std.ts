/**
 * The parts of the Deno standard library the project uses, with their types.
 *
 * The npm package `deno-std` carries the library as plain JavaScript without declarations, so the few
 * functions in use are declared here. Moving to another distribution of the library means editing this file.
 */
import * as std from "npm:deno-std@1.4.0/assert/mod.js";

// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = new (...args: any[]) => E;

/** Fails unless `condition` is truthy. */
export const assert: (condition: unknown, message?: string) => asserts condition = std.assert;

/** Fails unless `condition` is false. */
export const assertFalse: (condition: unknown, message?: string) => asserts condition is false =
  std.assertFalse;

/** Deep equality; typed arrays and maps are compared element by element. */
export const assertEquals: <T>(actual: T, expected: T, message?: string) => void = std.assertEquals;

/** Fails when the two are deeply equal. */
export const assertNotEquals: <T>(actual: T, expected: T, message?: string) => void =
  std.assertNotEquals;

/** Identity by `Object.is`. */
export const assertStrictEquals: <T>(
  actual: unknown,
  expected: T,
  message?: string,
) => asserts actual is T = std.assertStrictEquals;

/** Fails when the two are the same by `Object.is`. */
export const assertNotStrictEquals: <T>(actual: T, expected: T, message?: string) => void =
  std.assertNotStrictEquals;

/** |actual − expected| ≤ tolerance; default tolerance 1e-7 of the expected value. */
export const assertAlmostEquals: (
  actual: number,
  expected: number,
  tolerance?: number,
  message?: string,
) => void = std.assertAlmostEquals;

/** Fails on null and undefined. */
export const assertExists: <T>(
  actual: T,
  message?: string,
) => asserts actual is NonNullable<T> = std.assertExists;

/** actual > expected. */
export const assertGreater: <T>(actual: T, expected: T, message?: string) => void =
  std.assertGreater;

/** actual ≥ expected. */
export const assertGreaterOrEqual: <T>(actual: T, expected: T, message?: string) => void =
  std.assertGreaterOrEqual;

/** actual < expected. */
export const assertLess: <T>(actual: T, expected: T, message?: string) => void = std.assertLess;

/** actual ≤ expected. */
export const assertLessOrEqual: <T>(actual: T, expected: T, message?: string) => void =
  std.assertLessOrEqual;

/** Fails unless `actual` is an instance of the class. */
export const assertInstanceOf: <T>(
  actual: unknown,
  // deno-lint-ignore no-explicit-any
  expectedType: abstract new (...args: any[]) => T,
  message?: string,
) => asserts actual is T = std.assertInstanceOf;

/** Fails unless the text matches. */
export const assertMatch: (actual: string, expected: RegExp, message?: string) => void =
  std.assertMatch;

/** Fails when the text matches. */
export const assertNotMatch: (actual: string, expected: RegExp, message?: string) => void =
  std.assertNotMatch;

/** Fails unless `actual` contains `expected`. */
export const assertStringIncludes: (actual: string, expected: string, message?: string) => void =
  std.assertStringIncludes;

/** Fails unless every element of `expected` occurs in `actual`. */
export const assertArrayIncludes: <T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  message?: string,
) => void = std.assertArrayIncludes;

/** Fails unless the properties of `expected` occur in `actual`. */
export const assertObjectMatch: (
  // deno-lint-ignore no-explicit-any
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  message?: string,
) => void = std.assertObjectMatch;

/** Fails unless `body` throws; gives the error back for a closer look. */
export const assertThrows: <E extends Error = Error>(
  body: () => unknown,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
  message?: string,
) => E = std.assertThrows;

/** Fails unless the promise rejects; gives the error back for a closer look. */
export const assertRejects: <E extends Error = Error>(
  body: () => PromiseLike<unknown>,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
  message?: string,
) => Promise<E> = std.assertRejects;

/** Fails always. */
export const fail: (message?: string) => never = std.fail;
