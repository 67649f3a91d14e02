/** Options of an export, to a folder or to an archive. */
export interface ExportProgress {
  files: number;
  directories: number;
  symlinks: number;
  /** Of all files. */
  bytes: number;
}

export interface ExportOptions {
  /** Called now and then, with the same object each time. */
  readonly onProgress?: (progress: Readonly<ExportProgress>) => void;
  readonly signal?: AbortSignal;
}
