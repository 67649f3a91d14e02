/**
 * castore's services as a schema, for those who ask a server what it speaks (grpcurl and its like).
 * Calls do not go through it: `castore/proto.ts` and `castore/rpc-proto.ts` are the codecs.
 */
import { fromJSON, type PackageDefinition } from "@grpc/proto-loader";
import { CASTORE_PACKAGES, type CastorePackage } from "./castore-rpc.ts";

type Json = Readonly<Record<string, unknown>>;

/** What the messages of the data model are called in a package. */
interface EntryNames {
  readonly directory: string;
  readonly file: string;
  readonly symlink: string;
  readonly entry: string;
}

const ENTRY_NAMES: Readonly<Record<CastorePackage, EntryNames>> = {
  "snix.castore.v1": {
    directory: "DirectoryEntry",
    file: "FileEntry",
    symlink: "SymlinkEntry",
    entry: "Entry",
  },
  "tvix.castore.v1": {
    directory: "DirectoryNode",
    file: "FileNode",
    symlink: "SymlinkNode",
    entry: "Node",
  },
};

export function reflectionSchema(): PackageDefinition {
  const root: Record<string, { nested: Record<string, unknown> }> = {};
  for (const name of CASTORE_PACKAGES) {
    const [organization = "", castore = "", version = ""] = name.split(".");
    const contents = { nested: messages(name), options: { syntax: "proto3" } };
    root[organization] = { nested: { [castore]: { nested: { [version]: contents } } } };
  }
  return fromJSON({ nested: root } as Parameters<typeof fromJSON>[0], { keepCase: true });
}

function messages(packageName: CastorePackage): Json {
  const names = ENTRY_NAMES[packageName];
  const content = { name: field("bytes", 1), digest: field("bytes", 2), size: field("uint64", 3) };
  return {
    [names.directory]: { fields: content },
    [names.file]: { fields: { ...content, executable: field("bool", 4) } },
    [names.symlink]: { fields: { name: field("bytes", 1), target: field("bytes", 2) } },
    [names.entry]: {
      oneofs: { entry: { oneof: ["directory", "file", "symlink"] } },
      fields: {
        directory: field(names.directory, 1),
        file: field(names.file, 2),
        symlink: field(names.symlink, 3),
      },
    },
    Directory: {
      fields: {
        directories: repeated(names.directory, 1),
        files: repeated(names.file, 2),
        symlinks: repeated(names.symlink, 3),
      },
    },
    StatBlobRequest: {
      fields: {
        digest: field("bytes", 1),
        send_chunks: field("bool", 2),
        send_bao: field("bool", 3),
      },
    },
    StatBlobResponse: {
      fields: { chunks: repeated("ChunkMeta", 2), bao: field("bytes", 3) },
      nested: { ChunkMeta: { fields: { digest: field("bytes", 1), size: field("uint64", 2) } } },
    },
    ReadBlobRequest: { fields: { digest: field("bytes", 1) } },
    BlobChunk: { fields: { data: field("bytes", 1) } },
    PutBlobResponse: { fields: { digest: field("bytes", 1) } },
    GetDirectoryRequest: {
      oneofs: { by_what: { oneof: ["digest"] } },
      fields: { digest: field("bytes", 1), recursive: field("bool", 2) },
    },
    PutDirectoryResponse: { fields: { root_digest: field("bytes", 1) } },
    BlobService: {
      methods: {
        Stat: { requestType: "StatBlobRequest", responseType: "StatBlobResponse" },
        Read: { requestType: "ReadBlobRequest", responseType: "BlobChunk", responseStream: true },
        Put: { requestType: "BlobChunk", requestStream: true, responseType: "PutBlobResponse" },
      },
    },
    DirectoryService: {
      methods: {
        Get: {
          requestType: "GetDirectoryRequest",
          responseType: "Directory",
          responseStream: true,
        },
        Put: {
          requestType: "Directory",
          requestStream: true,
          responseType: "PutDirectoryResponse",
        },
      },
    },
  };
}

function field(type: string, id: number): Json {
  return { type, id };
}

function repeated(type: string, id: number): Json {
  return { rule: "repeated", type, id };
}
