/** What the reader of PyTorch files wants of a file, in one place for its parts and their tests. */

/** What a good state dict satisfies; a rejection names one of these (or a rule of ZIP or pickle). */
export const TORCH_RULES = {
  "torch.kind": "a file of torch.save",
  "torch.layout": "one top folder with data.pkl",
  "torch.legacy":
    "the parts that torch.save writes outside a ZIP archive: magic number, version 1001, " +
    "system, object, storage keys, and a storage of the stated size for each, up to the end of the file",
  "torch.byteorder": "little-endian storages",
  "torch.root":
    'a dictionary of tensors: in Python, torch.save(model.state_dict(), "state.pt") writes one',
  "torch.state": "one of its states to be named: --state NAME",
  "torch.call": "calls as PyTorch writes them",
  "torch.storage": "a storage of the size and type the pickle says",
  "torch.view":
    "sizes, strides and an offset that stay inside the storage and take no more elements than " +
    "it has, other than by repeating (stride 0)",
  "torch.copies":
    "strided and expanded tensors of at most four times the file's size, or 64 MiB, together",
} as const;
