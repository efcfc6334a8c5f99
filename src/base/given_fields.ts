/** Options objects in which a field that is undefined counts as not given. */

/**
 * The same object without its undefined fields, so that spreading it over defaults keeps them.
 *
 * @param fields Any object.
 * @returns A new object.
 */
export function givenFields<T extends object>(fields: T): GivenFields<T> {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as GivenFields<T>;
}

/** Fields that may be undefined may be absent instead. */
export type GivenFields<T> =
  & { [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
  & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };
