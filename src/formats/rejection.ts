/**
 * How the readers of this room refuse a file: one message grammar and closed rule lists.
 *
 * Every reader publishes its rules as a constant object (identifier → what a good file satisfies). A
 * rejection names the rule, so that programs can react to it and the tests can prove that each rule of the
 * list rejects something.
 */
import { FormatError } from "../base/errors.ts";

/** Rules of a reader: identifier → the property a good file has. */
export type RuleList = Readonly<Record<string, string>>;

/**
 * Makes the errors of one reader for one file: `Cannot read "<source>": <found>, needs <rule>`.
 *
 * @param rules The reader's rules.
 * @param source Path, URL or label of the file.
 * @returns A function from a rule and what was found (`"dim[4] is 0"`) to the error to throw.
 */
export function refusals<R extends RuleList>(
  rules: R,
  source: string,
): (rule: keyof R & string, found: string) => FormatError {
  return (rule, found) =>
    new FormatError(source, rule, `Cannot read "${source}": ${found}, needs ${rules[rule]}`);
}
