// A JavaScript realm as WinDbg's script provider has it: ECMAScript 2017, and nothing of Node.
"use strict";

const vm = require("vm");

/** What came after ECMAScript 2017, or is no part of the language: a script that uses it fails here. */
const NEWER = {
    globalThis: [
        "BigInt", "BigInt64Array", "BigUint64Array", "SharedArrayBuffer", "Atomics", "WebAssembly", "WeakRef",
        "FinalizationRegistry", "AggregateError", "Iterator", "console", "globalThis",
    ],
    "Array.prototype": [
        "flat", "flatMap", "at", "findLast", "findLastIndex", "toSorted", "toReversed", "toSpliced", "with",
    ],
    "Object.getPrototypeOf(Uint8Array).prototype": ["at", "findLast", "findLastIndex", "toSorted", "toReversed", "with"],
    "String.prototype": ["matchAll", "replaceAll", "at", "trimStart", "trimEnd", "trimLeft", "trimRight", "isWellFormed"],
    "Object": ["fromEntries", "hasOwn", "groupBy"],
    "Map": ["groupBy"],
    "Promise": ["any", "allSettled"],
    "Promise.prototype": ["finally"],
    "RegExp.prototype": ["dotAll", "hasIndices", "unicodeSets"],
    "Symbol": ["asyncIterator", "matchAll"],
    "Array": ["fromAsync"],
};

/** A new realm, and its global object. */
function createRealm() {
    const realm = vm.createContext(Object.create(null));
    for (const [owner, names] of Object.entries(NEWER)) {
        const doomed = names.map(name => `delete owner[${JSON.stringify(name)}];`).join(" ");
        vm.runInContext(`{ const owner = ${owner}; ${doomed} }`, realm);
        if (owner === "globalThis") {
            vm.runInContext("undefined", realm);
        }
    }
    return realm;
}

/** Runs source in a realm as a script. */
function load(realm, source, name) {
    new vm.Script(source, { filename: name }).runInContext(realm);
}

module.exports = { createRealm, load };
