/**
 * House rules as a `deno lint` plugin: what one file may contain. What files may import from each other
 * is checked over the whole module graph by check_layers.ts.
 *
 * Each rule is one entry of the table at the end, with a test in tests/tools/house_rules_test.ts.
 */

/** Longest allowed source file, in lines. */
export const LONGEST_FILE = 500;

/** Path prefixes (from the repository root) that may use `Deno.*`. */
const MAY_USE_DENO = [
  "src/files/",
  "src/cli/",
  "src/pipelines/terminal",
  "src/training/checkpoint",
  "src/data/openers",
];

/** Path prefixes that may change what is on the disk. */
const MAY_WRITE = ["src/files/"];

/** Functions of Deno that make, change, rename or remove files. */
const WRITING =
  /^(chmod|chown|copyFile|create|link|makeTemp(Dir|File)|mkdir|remove|rename|symlink|truncate|umask|utime|writeFile|writeTextFile)(Sync)?$/;

/** Options that open a file for writing. */
const OPENS_FOR_WRITING = new Set(["append", "create", "createNew", "truncate", "write"]);

/** Path prefixes that may print. */
const MAY_PRINT = ["src/cli/", "src/training/progress"];

/** Rooms below the repository root that hold library code. */
const LIBRARY = ["src/"];

/** Where code lives, from the repository root; the first of them found in an absolute path counts. */
const ROOTS = ["src", "tests", "tools", "bench", "examples", "wasm"];

/**
 * Turns the absolute file name that the linter gives into a path from the repository root.
 *
 * @param filename Absolute path or file URL, with either separator.
 * @returns e.g. `src/base/errors.ts`; the bare file name for files at the root such as `mod.ts`.
 */
export function pathInRepository(filename: string): string {
  const parts = filename.replaceAll("\\", "/").split("/");
  const root = import.meta.dirname?.replaceAll("\\", "/").split("/").slice(0, -1) ?? [];
  if (root.every((part, i) => parts[i] === part)) return parts.slice(root.length).join("/");
  const start = parts.findIndex((part) => ROOTS.includes(part));
  return start < 0 ? parts[parts.length - 1] : parts.slice(start).join("/");
}

function startsWithAny(path: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => path.startsWith(prefix));
}

/** Forbids a global object outside the places that may use it. */
function globalOnlyIn(name: string, allowed: readonly string[]): Deno.lint.Rule {
  const message = `${name} may be used only in ${allowed.join(", ")}; ` +
    "take what you need as an argument instead";
  return {
    create(context) {
      const path = pathInRepository(context.filename);
      if (!startsWithAny(path, LIBRARY) || startsWithAny(path, allowed)) return {};
      return {
        MemberExpression(node) {
          const { object, property } = node;
          const viaGlobal = object.type === "Identifier" && object.name === "globalThis" &&
            property.type === "Identifier" && property.name === name;
          if (viaGlobal || (object.type === "Identifier" && object.name === name)) {
            context.report({ node, message });
          }
        },
      };
    },
  };
}

/** Keeps every change of the disk in one room, which does it whole or not at all. */
const diskWrites: Deno.lint.Rule = {
  create(context) {
    const path = pathInRepository(context.filename);
    if (!startsWithAny(path, LIBRARY) || startsWithAny(path, MAY_WRITE)) return {};
    return {
      CallExpression(node) {
        const { callee, arguments: [, options] } = node;
        if (callee.type !== "MemberExpression" || callee.property.type !== "Identifier") return;
        if (callee.object.type !== "Identifier" || callee.object.name !== "Deno") return;
        const { name } = callee.property;
        if (!WRITING.test(name) && !(/^open(Sync)?$/.test(name) && opensForWriting(options))) {
          return;
        }
        context.report({
          node,
          message: `Deno.${name} changes the disk, which only ${MAY_WRITE} may; ` +
            "use writeWhole, makeFolder, remove or what else src/files offers",
        });
      },
    };
  },
};

function opensForWriting(options: Deno.lint.Node | undefined): boolean {
  return options?.type === "ObjectExpression" &&
    options.properties.some((property) =>
      property.type === "Property" && property.key.type === "Identifier" &&
      OPENS_FOR_WRITING.has(property.key.name)
    );
}

const FUNCTIONS = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
  "MethodDefinition",
  "PropertyDefinition",
]);

function insideFunction(node: Deno.lint.Node): boolean {
  let parent = (node as { parent?: Deno.lint.Node }).parent;
  while (parent) {
    if (FUNCTIONS.has(parent.type)) return true;
    parent = (parent as { parent?: Deno.lint.Node }).parent;
  }
  return false;
}

const noTopLevelAwait: Deno.lint.Rule = {
  create(context) {
    if (!startsWithAny(pathInRepository(context.filename), LIBRARY)) return {};
    const check = (node: Deno.lint.Node) => {
      if (insideFunction(node)) return;
      context.report({
        node,
        message: "No top-level await in library code: importing must not wait or do work",
      });
    };
    return {
      AwaitExpression: check,
      ForOfStatement(node) {
        if (node.await) check(node);
      },
    };
  },
};

const fileLength: Deno.lint.Rule = {
  create(context) {
    return {
      Program(node) {
        const lines = context.sourceCode.text.trimEnd().split("\n").length;
        if (lines <= LONGEST_FILE) return;
        context.report({
          node,
          message:
            `File has ${lines} lines, at most ${LONGEST_FILE} are allowed; split it by subject`,
        });
      },
    };
  },
};

/** External packages enter through src/deps only, pinned; nothing comes from elsewhere. */
const externalImports: Deno.lint.Rule = {
  create(context) {
    const path = pathInRepository(context.filename);
    const check = (source: Deno.lint.Node | null | undefined) => {
      if (source?.type !== "Literal" || typeof source.value !== "string") return;
      const problem = importProblem(path, source.value);
      if (problem) context.report({ node: source, message: problem });
    };
    return {
      ImportDeclaration: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
    };
  },
};

/**
 * Says what is wrong with importing `specifier` in the file at `path`, or null.
 *
 * @param path Path from the repository root.
 * @param specifier As written in the import.
 */
export function importProblem(path: string, specifier: string): string | null {
  if (/^\.\.?\//.test(specifier)) return null;
  if (/^(jsr|https?|file|data):/.test(specifier)) {
    return `"${specifier}": imports are relative, npm: or node:; take the npm package instead`;
  }
  if (/^(npm|node):/.test(specifier)) {
    if (!path.startsWith("src/deps/")) {
      return `"${specifier}": external packages enter through src/deps/<package>.ts only`;
    }
    if (
      specifier.startsWith("npm:") && !/^npm:(@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+/.test(specifier)
    ) {
      return `"${specifier}": needs an exact version, npm:name@x.y.z`;
    }
    return null;
  }
  return `"${specifier}": bare specifiers need an import map, which importers by URL do not have; ` +
    "use a relative path or src/deps";
}

const documentedExports: Deno.lint.Rule = {
  create(context) {
    const path = pathInRepository(context.filename);
    if (!startsWithAny(path, LIBRARY) && path !== "mod.ts") return {};
    const overloads = new Set<string>();
    return {
      "ExportNamedDeclaration, ExportDefaultDeclaration"(
        node: Deno.lint.ExportNamedDeclaration | Deno.lint.ExportDefaultDeclaration,
      ) {
        if (!node.declaration) return; // `export { x } from …`: documented where it is declared
        const name = declaredName(node.declaration);
        if (overloads.has(name)) return;
        overloads.add(name);
        const comments = context.sourceCode.getCommentsBefore(node);
        const last = comments[comments.length - 1];
        if (last?.type === "Block" && last.value.startsWith("*")) return;
        context.report({ node, message: `Exported ${name} needs a /** … */ comment` });
      },
    };
  },
};

function declaredName(declaration: Deno.lint.Node): string {
  const { id, declarations } = declaration as {
    id?: { name?: string } | null;
    declarations?: { id: { name?: string } }[];
  };
  return id?.name ?? declarations?.[0]?.id.name ?? "value";
}

/** Tags that documentation is made from; `{@link …}` may stand anywhere. */
const TAGS =
  "param|returns?|throws|example|see|template|typeParam|default|deprecated|internal|property|experimental";

/** A tag behind something else on its line. */
const TAG_BEHIND = new RegExp(`\\S\\s+(@(?:${TAGS})\\b)`);

/** Keeps each tag at the beginning of a line: documentation prints one that is not inside the text before it. */
const oneTagALine: Deno.lint.Rule = {
  create(context) {
    return {
      Program() {
        for (const comment of context.sourceCode.getAllComments()) {
          const tag = comment.type === "Block" ? misplacedTag(comment.value) : null;
          if (tag === null) continue;
          context.report({
            range: comment.range,
            message:
              `${tag} needs a line of its own; here it is printed as part of the text before it`,
          });
        }
      },
    };
  },
};

/** The first tag of a JSDoc comment that does not begin its line; code in it does not count. */
function misplacedTag(comment: string): string | null {
  if (!comment.startsWith("*")) return null;
  const prose = comment.slice(1).replace(/```.*?```/gs, "").replace(/`[^`\n]*`/g, "code");
  for (const line of prose.split("\n")) {
    const found = TAG_BEHIND.exec(line.replace(/^\s*\*?\s*/, ""));
    if (found) return found[1];
  }
  return null;
}

/** The plugin, named in deno.json. */
const plugin: Deno.lint.Plugin = {
  name: "house",
  rules: {
    "deno-namespace": globalOnlyIn("Deno", MAY_USE_DENO),
    "disk-writes": diskWrites,
    "console": globalOnlyIn("console", MAY_PRINT),
    "no-top-level-await": noTopLevelAwait,
    "file-length": fileLength,
    "external-imports": externalImports,
    "documented-exports": documentedExports,
    "one-tag-a-line": oneTagALine,
  },
};

export default plugin;
