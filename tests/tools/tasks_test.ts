/** The tasks of deno.json: none of them asks for every permission, and each runs files that exist. */
import { assert, assertEquals } from "../../src/deps/std.ts";
import { ROOT } from "../../tools/repository.ts";

interface Task {
  readonly description?: string;
  readonly command: string;
}

const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`)) as {
  tasks: Record<string, string | Task>;
};

const COMMANDS = Object.entries(tasks).map(([name, task]) =>
  [name, typeof task === "string" ? task : task.command] as const
);

Deno.test("no task asks for all permissions", () => {
  for (const [name, command] of COMMANDS) {
    assertEquals(/(^|\s)(-A|--allow-all)\b/.test(command), false, name);
  }
});

Deno.test("what people run on their data writes, and reads variables, only where the task says so", () => {
  const commands = new Map(COMMANDS);
  for (const name of ["train", "recvae"]) {
    const flags = commands.get(name)!.split(" ").filter((word) => word.startsWith("--allow-"));
    for (const flag of flags) {
      assert(/^--allow-(read(=.+)?|(write|env)=.+)$/.test(flag), `${name}: ${flag}`);
    }
    assert(flags.length > 0, name);
  }
});

Deno.test("every file a task names exists", () => {
  const named = COMMANDS.flatMap(([name, command]) =>
    [...command.replaceAll("$PROJECT/", "").matchAll(/[\w./-]+\.(?:ts|sh)\b/g)]
      .map(([path]) => [name, path])
  );
  assert(named.length > 10);
  for (const [name, path] of named) {
    assert(Deno.statSync(ROOT + path).isFile, `${name}: ${path}`);
  }
});

Deno.test("every task that people run says what it does", () => {
  for (const [name, task] of Object.entries(tasks)) {
    const internal = name.startsWith("check:") || name.startsWith("test:");
    assert(internal || (typeof task !== "string" && task.description), name);
  }
});
