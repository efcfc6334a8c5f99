/** Tells from its first bytes what a file is, for messages and for choosing a reader. */

/** Kinds of files that are told apart. */
export type FileKind =
  | "gzip"
  | "nifti-1"
  | "nifti-1 pair"
  | "nifti-2"
  | "nifti-2 pair"
  | "analyze"
  | "zip"
  | "safetensors"
  | "hdf5"
  | "png"
  | "dicom"
  | "html"
  | "pickle"
  | "empty"
  | "unknown";

/** What each kind is called in a message. */
export const FILE_KIND_NAMES: Readonly<Record<FileKind, string>> = {
  "gzip": "a gzip file",
  "nifti-1": "a NIfTI-1 file",
  "nifti-1 pair": "the header of a NIfTI-1 pair (.hdr/.img)",
  "nifti-2": "a NIfTI-2 file",
  "nifti-2 pair": "the header of a NIfTI-2 pair (.hdr/.img)",
  "analyze": "an Analyze 7.5 header",
  "zip": "a ZIP archive (PyTorch files are such)",
  "safetensors": "a safetensors file",
  "hdf5": "an HDF5 file (MINC-2 and MATLAB files are such)",
  "png": "a PNG image",
  "dicom": "a DICOM file",
  "html": "a web page",
  "pickle": "a Python pickle (PyTorch writes such when asked for no ZIP archive)",
  "empty": "an empty file",
  "unknown": "no file of a known kind",
};

/**
 * Looks at the beginning of a file.
 *
 * @param head The first bytes; 352 suffice, fewer are fine for short files.
 */
export function identifyFile(head: Uint8Array): FileKind {
  if (head.length === 0) return "empty";
  if (startsWith(head, [0x1f, 0x8b])) return "gzip";
  const niftiKind = identifyNifti(head);
  if (niftiKind) return niftiKind;
  if (startsWith(head, [0x50, 0x4b])) return "zip";
  if (startsWith(head, [0x89, 0x48, 0x44, 0x46])) return "hdf5";
  if (startsWith(head, [0x89, 0x50, 0x4e, 0x47])) return "png";
  if (head.length > 8 && head[8] === 0x7b && head[6] === 0 && head[7] === 0) return "safetensors";
  if (textAt(head, 128, 4) === "DICM") return "dicom";
  if (head[0] === 0x80 && head[1] >= 2 && head[1] <= 5) return "pickle";
  if (/^\s*<(!doctype|html|\?xml)/i.test(textAt(head, 0, 64))) return "html";
  return "unknown";
}

function identifyNifti(head: Uint8Array): FileKind | undefined {
  const magic2 = textAt(head, 4, 3);
  if (magic2 === "n+2") return "nifti-2";
  if (magic2 === "ni2") return "nifti-2 pair";
  const magic1 = textAt(head, 344, 3);
  if (magic1 === "n+1") return "nifti-1";
  if (magic1 === "ni1") return "nifti-1 pair";
  if (head.length < 348) return undefined;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return view.getInt32(0, true) === 348 || view.getInt32(0, false) === 348 ? "analyze" : undefined;
}

function startsWith(head: Uint8Array, bytes: readonly number[]): boolean {
  return bytes.every((byte, i) => head[i] === byte);
}

/** ASCII text, cut at the end of the bytes. */
function textAt(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}
