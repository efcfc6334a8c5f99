/** nifti-reader-js: parses NIfTI-1 and NIfTI-2 headers. It validates nothing; `formats/nifti_header.ts` does. */
export { NIFTI1, NIFTI2 } from "npm:nifti-reader-js@0.8.0";
