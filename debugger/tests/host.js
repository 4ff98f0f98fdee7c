// A host as WinDbg's script provider gives it to a script: what is there in which phase, and what it refuses.
//
// From "Native Debugger Objects in JavaScript Extensions - Debugger Object Details" and "File Objects"
// (learn.microsoft.com/windows-hardware/drivers/debugger). Where the documentation leaves something open, this host is
// the stricter one: a file's bytes are no array, a number that would lose digits throws, and what a phase does not have
// is not there.
"use strict";

const fs = require("fs");
const { createRealm, load } = require("./realm");
const { Int64 } = require("./int64");
const { openTarget } = require("./targets");

class ApiVersionSupport {
    constructor(major, minor) {
        Object.assign(this, { major, minor });
    }
}

class FunctionAlias {
    constructor(call, alias) {
        if (typeof call !== "function" || !/^[A-Za-z_]\w*$/.test(alias)) throw new TypeError("not a function alias");
        Object.assign(this, { call, alias });
    }
}

class NamedModelParent {
    constructor(model, name) {
        Object.assign(this, { model, name });
    }
}

class IndexedValue {
    constructor(value, indices) {
        if (!Array.isArray(indices) && Object.prototype.toString.call(indices) !== "[object Array]") {
            throw new TypeError("indices are an array");
        }
        Object.assign(this, { value, indices });
    }
}

/** What `ReadBytes` gives: it can be iterated and indexed, and is no array. */
function fileBytes(bytes) {
    return new Proxy({ [Symbol.iterator]: () => bytes[Symbol.iterator]() }, {
        get: (own, name) => typeof name === "string" && /^\d+$/.test(name) ? bytes[Number(name)] : own[name],
    });
}

class HostFile {
    constructor(path) {
        this.descriptor = fs.openSync(path, "r");
        this.size = fs.fstatSync(this.descriptor).size;
        this.position = 0;
    }

    get Size() {
        return new Int64(this.size);
    }

    get Position() {
        return new Int64(this.position);
    }

    set Position(value) {
        this.position = new Int64(value).asNumber();
    }

    ReadBytes(count) {
        const bytes = Buffer.alloc(count);
        if (fs.readSync(this.descriptor, bytes, 0, count, this.position) !== count) {
            throw new Error("the file ends before that");
        }
        this.position += count;
        return fileBytes(bytes);
    }

    Close() {
        fs.closeSync(this.descriptor);
    }
}

/** A script in a debugger that looks at a target. */
class Debugger {
    constructor(script, request) {
        this.request = request;
        this.target = openTarget(request);
        this.log = [];
        this.realm = createRealm();
        this.realm.host = this.firstPhase();
        load(this.realm, script, "irqlog.js");
        const initialize = this.realm.initializeScript;
        const registered = initialize();
        Object.assign(this.realm.host, this.secondPhase());
        Object.assign(this.realm.host.memory, this.memory());
        this.aliases = new Map();
        this.extensions = [];
        registered.forEach(one => this.register(one));
    }

    register(one) {
        if (one instanceof FunctionAlias) {
            this.aliases.set(one.alias, one.call);
        } else if (one instanceof NamedModelParent && one.name === "Debugger.Models.Session") {
            this.extensions.push(one.model);
        } else if (!(one instanceof ApiVersionSupport)) {
            throw new TypeError("initializeScript gave something that cannot be registered");
        }
    }

    firstPhase() {
        return {
            Int64,
            parseInt64: (text, radix) => Int64.of(BigInt(radix === 16 ? "0x" + text.replace(/^0x/i, "") : text)),
            apiVersionSupport: ApiVersionSupport,
            functionAlias: FunctionAlias,
            namedModelParent: NamedModelParent,
            diagnostics: { debugLog: (...parts) => this.log.push(parts.join("")) },
            memory: {},
        };
    }

    secondPhase() {
        const details = this.target.path === undefined ? {} : { DumpFileName: this.target.path };
        const canOpen = this.request.withoutFile !== true;
        const open = path => {
            if (!canOpen) throw new Error("the file is on another machine");
            return new HostFile(path);
        };
        const execute = command => {
            if (command !== ".enumtag") throw new Error(`what is ${command}?`);
            return this.target.enumtag();
        };
        const modules = () => this.target.modules().map(({ name, base }) => ({ Name: name, BaseAddress: Int64.of(base) }));
        return {
            indexedValue: IndexedValue,
            currentSession: { Attributes: { Target: { Details: details } } },
            currentProcess: { get Modules() { return modules(); } },
            namespace: { Debugger: { Utility: { FileSystem: { OpenFile: open }, Control: { ExecuteCommand: execute } } } },
            getModuleSymbolAddress: (module, symbol) => this.symbol(module, symbol),
        };
    }

    symbol(module, symbol) {
        const address = (this.request.symbols || {})[`${module}!${symbol}`];
        if (address === undefined) throw new Error(`Unable to find symbol '${symbol}' in module '${module}'`);
        return Int64.of(BigInt(address));
    }

    memory() {
        return {
            readMemoryValues: (location, count, size) => {
                if (size !== 1 || !Number.isInteger(count) || count < 0) throw new TypeError("bytes are read here");
                const address = new Int64(location).bits;
                // What it gives is a typed array of the script's own world.
                return this.realm.Uint8Array === undefined
                    ? Uint8Array.from(this.target.read(address, count))
                    : new this.realm.Uint8Array(this.target.read(address, count));
            },
        };
    }

    /** What an alias gives for arguments, each a text that is an address. */
    call(alias, ...addresses) {
        return this.aliases.get(alias)(...addresses.map(address => Int64.of(BigInt(address))));
    }

    close() {
        this.target.close();
    }
}

module.exports = { Debugger, Int64, IndexedValue };
