/** Finding a TensorFlow to build against, on made-up folders. */
import { findTensorFlow } from "../../../src/backends/tensorflow/find_tensorflow.ts";
import { requireVersion } from "../../../src/backends/tensorflow/install.ts";
import { BackendError } from "../../../src/base/errors.ts";
import { assertEquals, assertRejects, assertThrows } from "../../../src/deps/std.ts";

async function withFiles(
  files: readonly string[],
  body: (root: string) => Promise<void>,
): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    for (const file of files) {
      const path = `${root}/${file}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(path, "");
    }
    await body(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const PACKAGES = "lib/python3.12/site-packages";
const WHEEL = [
  `${PACKAGES}/tensorflow/include/tensorflow/c/eager/c_api.h`,
  `${PACKAGES}/tensorflow/libtensorflow_cc.so.2`,
  `${PACKAGES}/tensorflow/libtensorflow_framework.so.2`,
  `${PACKAGES}/tensorflow_io-0.30.0.dist-info/METADATA`,
  `${PACKAGES}/tensorflow_cpu-2.21.0.dist-info/METADATA`,
];

Deno.test("a Python environment, its packages and the package itself lead to the same wheel", async () => {
  await withFiles(WHEEL, async (root) => {
    const folder = `${root}/${PACKAGES}/tensorflow`;
    for (const from of [root, `${root}/${PACKAGES}`, folder]) {
      const found = await findTensorFlow(from);
      assertEquals(found, {
        folder,
        headers: `${folder}/include`,
        libraries: [`${folder}/libtensorflow_cc.so.2`, `${folder}/libtensorflow_framework.so.2`],
        version: "2.21.0",
      });
    }
  });
});

Deno.test("an unpacked libtensorflow is found, without a version", async () => {
  const files = [
    "include/tensorflow/c/eager/c_api.h",
    "lib/libtensorflow.so",
    "lib/libtensorflow_framework.so.2",
  ];
  await withFiles(files, async (root) => {
    const { libraries, version } = await findTensorFlow(root);
    assertEquals(libraries, [
      `${root}/lib/libtensorflow.so`,
      `${root}/lib/libtensorflow_framework.so.2`,
    ]);
    assertEquals(version, null);
  });
});

Deno.test("headers without libraries are not enough, and the message says where was looked", async () => {
  await withFiles(["include/tensorflow/c/eager/c_api.h"], async (root) => {
    const error = await assertRejects(
      () => findTensorFlow(root),
      BackendError,
      "Cannot find TensorFlow",
    );
    assertEquals(error.message.includes(root), true);
    assertEquals(error.message.includes("--from"), true);
  });
});

Deno.test("versions below 2.9 are refused", () => {
  for (const version of ["2.9.0", "2.21.0", "3.0.0"]) requireVersion(version);
  for (const version of ["2.8.4", "1.15.5"]) {
    assertThrows(() => requireVersion(version), BackendError, `found version ${version}`);
  }
});
