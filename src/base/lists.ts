/** Lists in messages: a few, and how many there are beside them. */

/**
 * The first few of a list as words.
 *
 * @param items In order.
 * @param most How many to show.
 * @returns `"a, b, c and 17 more"`.
 */
export function fewOf(items: readonly string[], most = 3): string {
  const more = items.length - most;
  return items.slice(0, most).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
