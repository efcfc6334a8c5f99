/** Tells from its first bytes, and where those say little from its name, what a file is. */

/** What each kind that the first bytes tell is called in a message. */
export const FILE_KIND_NAMES = {
  "gzip": "a gzip file",
  "nifti-1": "a NIfTI-1 file",
  "nifti-1 pair": "the header of a NIfTI-1 pair (.hdr/.img)",
  "nifti-2": "a NIfTI-2 file",
  "nifti-2 pair": "the header of a NIfTI-2 pair (.hdr/.img)",
  "analyze": "an Analyze 7.5 header",
  "zip": "a ZIP archive (PyTorch files are such)",
  "safetensors": "a safetensors file",
  "hdf5": "an HDF5 file (MINC-2 and MATLAB files are such)",
  "matlab": "a MATLAB file",
  "numpy": "a NumPy array (nibabel.Nifti1Image makes a NIfTI image of it)",
  "nrrd": "an NRRD image",
  "mrtrix": "an MRtrix image (mrconvert makes a NIfTI file of it)",
  "trackvis": "a TrackVis file of fibre tracts, not an image",
  "mrtrix tracks": "an MRtrix file of fibre tracts, not an image",
  "png": "a PNG image",
  "dicom": "a DICOM file (dcm2niix makes NIfTI files of a series)",
  "html": "a web page",
  "xml": "an XML file",
  "appledouble":
    "a companion file of macOS (AppleDouble, ._NAME), without any content of the file it goes with",
  "git-lfs": "the placeholder of a file that was not fetched (`git lfs pull` does that)",
  "text": "a text file",
  "pickle": "a Python pickle (PyTorch writes such when asked for no ZIP archive)",
  "empty": "an empty file",
  "unknown": "no file of a known kind",
} as const;

/** Kinds of files that the first bytes tell apart. */
export type FileKind = keyof typeof FILE_KIND_NAMES;

/** Kinds of which a file's name says more. */
const VAGUE_KINDS: readonly FileKind[] = ["gzip", "zip", "hdf5", "xml", "text", "unknown"];

/** Endings of names → what such a file is; the first that fits counts. */
const NAMED: readonly (readonly [ending: RegExp, name: string])[] = [
  [/\.trk(\.gz)?$/i, FILE_KIND_NAMES.trackvis],
  [/\.tck(\.gz)?$/i, FILE_KIND_NAMES["mrtrix tracks"]],
  [/\.trx$/i, "a TRX file of fibre tracts, not an image"],
  [/\.mat$/i, FILE_KIND_NAMES.matlab],
  [/\.(h5|hdf5|hdf)$/i, "an HDF5 file"],
  [/\.mnc(\.gz)?$/i, "a MINC image (mnc2nii makes a NIfTI file of it)"],
  [/\.mg[hz]$/i, "a FreeSurfer volume (mri_convert makes a NIfTI file of it)"],
  [/\.(gii)(\.gz)?$/i, "a GIFTI surface file, not a volume"],
  [/\.npy$/i, FILE_KIND_NAMES.numpy],
  [/\.npz$/i, "an archive of NumPy arrays (nibabel.Nifti1Image makes a NIfTI image of one)"],
  [/\.(dcm|ima)$/i, FILE_KIND_NAMES.dicom],
  [/\.(head|brik)(\.gz)?$/i, "half of an AFNI data set (3dAFNItoNIFTI makes a NIfTI file of it)"],
  [/\.(par|rec)$/i, "half of a Philips PAR/REC image (dcm2niix makes a NIfTI file of it)"],
  [/\.n(rrd|hdr)$/i, FILE_KIND_NAMES.nrrd],
  [/\.mi[fh](\.gz)?$/i, FILE_KIND_NAMES.mrtrix],
  [/\.(zip|7z|rar|tar|tgz|tar\.(gz|xz|bz2))$/i, "an archive (unpack it and name the files in it)"],
  [/\.(nii|img|hdr)\.(xz|bz2|zst)$/i, "compressed with something else than gzip (unpack it)"],
  [/\.(json|tsv|csv|txt)$/i, "a text file"],
];

/**
 * Says what a file is, as a noun with its article.
 *
 * @param head The first bytes, unpacked where the file is gzip; 352 suffice.
 * @param name Path or name of the file.
 */
export function describeFile(head: Uint8Array, name: string): string {
  const kind = identifyFile(head);
  if (kind === "zip" && /\.(pt|pth|ckpt)$/i.test(name)) return "a PyTorch file";
  const named = VAGUE_KINDS.includes(kind)
    ? NAMED.find(([ending]) => ending.test(name))
    : undefined;
  return named?.[1] ?? FILE_KIND_NAMES[kind];
}

/**
 * Looks at the beginning of a file.
 *
 * @param head The first bytes; 352 suffice, fewer are fine for short files.
 */
export function identifyFile(head: Uint8Array): FileKind {
  if (head.length === 0) return "empty";
  const niftiKind = identifyNifti(head);
  if (niftiKind) return niftiKind;
  const signed = SIGNATURES.find(([signature]) => textAt(head, 0, signature.length) === signature);
  if (signed) return signed[1];
  if (head.length > 8 && head[8] === 0x7b && head[6] === 0 && head[7] === 0) return "safetensors";
  if (textAt(head, 128, 4) === "DICM") return "dicom";
  if (head[0] === 0x80 && head[1] >= 2 && head[1] <= 5) return "pickle";
  const start = textAt(head, 0, 64);
  if (/^\s*<(!doctype|html)/i.test(start)) return "html";
  if (/^\s*<\?xml/i.test(start)) return "xml";
  return isText(head) ? "text" : "unknown";
}

const SIGNATURES: readonly (readonly [start: string, kind: FileKind])[] = [
  ["\x1f\x8b", "gzip"],
  ["PK", "zip"],
  ["\x89HDF", "hdf5"],
  ["\x89PNG", "png"],
  ["MATLAB 5.0 MAT-file", "matlab"],
  ["\x93NUMPY", "numpy"],
  ["NRRD000", "nrrd"],
  ["mrtrix image", "mrtrix"],
  ["mrtrix tracks", "mrtrix tracks"],
  ["TRACK\0", "trackvis"],
  ["\0\x05\x16\x07", "appledouble"],
  ["version https://git-lfs", "git-lfs"],
];

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

/** Bytes as characters, cut at the end of the bytes. */
function textAt(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}

/** Whether the bytes are what text consists of: no control characters but tabs and line ends. */
function isText(head: Uint8Array): boolean {
  return head.every((byte) => byte >= 0x20 ? byte !== 0x7f : byte >= 9 && byte <= 13);
}
