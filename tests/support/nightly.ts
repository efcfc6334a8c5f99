/** Whether the long tests run whole (`deno task test:nightly`) or only a sample of them. */
export const NIGHTLY = Deno.env.get("RECVAE_NIGHTLY") === "1";

/**
 * How many of many seeded cases to try: all of them at night, else the first few.
 *
 * @param whole At night.
 * @param sample Otherwise.
 */
export function nightlyCount(whole: number, sample: number): number {
  return NIGHTLY ? whole : sample;
}
