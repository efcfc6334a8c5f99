/**
 * How kernel parameters are laid out: every family of kernels takes the address of one struct of 4-byte
 * fields (`wasm/kernel.h`), mirrored here by a list of field names in the same order.
 */

/** Kind of a field: a 32-bit integer or address, or a float32. */
export type FieldKind = "int" | "float";

/** Values for some of the fields of a layout; absent ones are 0. */
export type FieldValues<Name extends string> = Readonly<Partial<Record<Name, number>>>;

/** The fields of one struct, in order. */
export class ParameterLayout<Name extends string = string> {
  readonly #names: readonly Name[];
  readonly #isFloat: readonly boolean[];

  /** @param fields Name and kind of each field, in the order of the C++ struct. */
  constructor(fields: Readonly<Record<Name, FieldKind>>) {
    this.#names = Object.keys(fields) as Name[];
    this.#isFloat = this.#names.map((name) => fields[name] === "float");
  }

  /** Size of the struct in bytes. */
  get bytes(): number {
    return this.#names.length * 4;
  }

  /** Position of a field in 4-byte words, −1 when the struct has no such field. */
  indexOf(name: string): number {
    return (this.#names as readonly string[]).indexOf(name);
  }

  /** Writes a struct to memory; `integers` and `floats` are views of all of it, `address` is in bytes. */
  write(
    values: FieldValues<Name>,
    to: { integers: Int32Array; floats: Float32Array; address: number },
  ): void {
    const start = to.address >> 2;
    for (let i = 0; i < this.#names.length; i++) {
      const value = values[this.#names[i]] ?? 0;
      if (this.#isFloat[i]) to.floats[start + i] = value;
      else to.integers[start + i] = value;
    }
  }
}
