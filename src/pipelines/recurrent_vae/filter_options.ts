/** Options that choose scans of a BIDS dataset. */
import { BIDS_ENTITIES } from "../../data/bids_entities.ts";
import type { DatasetFilters } from "../../data/dataset.ts";
import { type Option, UsageError, type Values } from "../option_table.ts";

const GROUP = "Data";

const filter = <N extends string>(name: N, value: string, help: string) =>
  ({ name, kind: "texts", value, help: `${help}; may be repeated`, group: GROUP }) as const;

/** Which scans of folders. */
export const FILTER_OPTIONS = [
  filter("participant-label", "LABEL", "Scans of these persons alone (with or without sub-)"),
  filter("session", "LABEL", "Scans of these sessions alone"),
  filter("task", "LABEL", "Scans of these tasks alone"),
  filter("run", "N", "Scans of these runs alone"),
  filter("space", "LABEL", "Scans in this space alone, MNI152NLin2009cAsym say"),
  filter("desc", "LABEL", "Scans of this processing alone, preproc say"),
  filter("bids-filter", "ENTITY=LABEL", "Scans with this entity alone, echo=2 say"),
  {
    name: "skip-bad",
    kind: "flag",
    help: "Go on without scans that cannot be read, and list them",
    group: GROUP,
  },
] as const satisfies readonly Option[];

/** Parsed options. */
export type FilterValues = Values<typeof FILTER_OPTIONS>;

const ENTITIES = {
  "participant-label": "sub",
  session: "ses",
  task: "task",
  run: "run",
  space: "space",
  desc: "desc",
} as const;

/**
 * The filters that the options ask for.
 *
 * @param values Parsed options.
 * @throws {UsageError} for a `--bids-filter` of no entity.
 */
export function datasetFilters(values: FilterValues): DatasetFilters {
  const filters = new Map<string, string[]>();
  const add = (entity: string, value: string) => {
    const bare = value.startsWith(`${entity}-`) ? value.slice(entity.length + 1) : value;
    filters.set(entity, [...filters.get(entity) ?? [], bare]);
  };
  for (const [name, entity] of Object.entries(ENTITIES)) {
    for (const value of values[name as keyof typeof ENTITIES]) add(entity, value);
  }
  for (const text of values["bids-filter"]) {
    const [, given, value] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    const entity = BIDS_ENTITIES.find(({ name, key }) => name === given || key === given);
    if (!entity) {
      throw new UsageError(
        `--bids-filter is "${text}", needs ENTITY=LABEL with an entity of BIDS: ${
          BIDS_ENTITIES.map(({ name }) => name).join(", ")
        }`,
      );
    }
    add(entity.name, value);
  }
  return filters;
}
