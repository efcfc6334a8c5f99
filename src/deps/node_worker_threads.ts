/**
 * Threads of the host. Unlike web workers, these can be detached from the event loop (`unref`), so that
 * sleeping workers never keep a finished program alive.
 */
export { Worker } from "node:worker_threads";
