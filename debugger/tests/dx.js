// `dx` and `!irqlog` as far as they are needed to show what the script gives: expressions with LINQ, and objects as a
// tree. It is not WinDbg, whose layout differs in detail; what it prints is what the script's objects say.
//
//     echo '{"path": "MEMORY.DMP"}' | node debugger/tests/dx.js debugger/irqlog.js '!irqlog' 'dx @$irqlog().Lanes'
"use strict";

const fs = require("fs");
const { Debugger, Int64, IndexedValue } = require("./host");

const unwrap = one => one instanceof IndexedValue ? one.value : one;
const isIterable = value => value !== null && typeof value === "object" && typeof value[Symbol.iterator] === "function";

/** What the data model adds to everything that can be iterated ("Using LINQ With the debugger objects"). */
const LINQ = {
    Where: (all, test) => all.filter(test),
    Select: (all, make) => all.map(make),
    Take: (all, count) => all.slice(0, count),
    Skip: (all, count) => all.slice(count),
    Count: (all, test) => test === undefined ? all.length : all.filter(test).length,
    First: (all, test) => test === undefined ? all[0] : all.find(test),
    Last: all => all[all.length - 1],
    Any: (all, test) => test === undefined ? all.length > 0 : all.some(test),
    OrderByDescending: (all, key) => all.slice().sort((one, other) => Number(key(other)) - Number(key(one))),
    GroupBy: (all, key) => {
        const groups = new Map();
        all.forEach(one => groups.set(key(one), (groups.get(key(one)) || []).concat([one])));
        return Array.from(groups, ([name, members]) => new Group(name, members));
    },
};

class Group {
    constructor(name, members) {
        this.Key = name;
        this.__members = members;
    }

    [Symbol.iterator]() {
        return this.__members[Symbol.iterator]();
    }

    toString() {
        return String(this.Key);
    }
}

/** A value of the script as an expression sees it: its own members, and LINQ if it can be iterated. */
function model(value) {
    if (value === null || typeof value !== "object" || value instanceof Int64) return value;
    return new Proxy(value, {
        get(target, name) {
            if (name === "__value") return target;
            const own = target[name];
            // A property that is no method shadows LINQ, as a data model's own key does.
            if (own !== undefined || !(name in LINQ) || !isIterable(target)) {
                return typeof own === "function" ? own.bind(target) : model(own);
            }
            return (...lambdas) => {
                const all = Array.from(target, one => model(unwrap(one)));
                return model(LINQ[name](all, ...lambdas));
            };
        },
    });
}

const plain = value => value !== null && typeof value === "object" && !(value instanceof Int64) && value.__value || value;

/** Names of an object's members, those of its classes included; hidden ones and methods are left out. */
function members(value) {
    const names = [];
    for (let from = value; from !== null && from.constructor !== undefined && Object.getPrototypeOf(from) !== null;
        from = Object.getPrototypeOf(from)) {
        for (const name of Object.getOwnPropertyNames(from)) {
            const isHidden = name.startsWith("__") || name === "constructor" || /^\d+$/.test(name) || name === "length";
            const { get, value: own } = Object.getOwnPropertyDescriptor(from, name);
            if (!isHidden && (get !== undefined || typeof own !== "function") && names.indexOf(name) === -1) names.push(name);
        }
    }
    return names;
}

function text(value) {
    if (value === undefined) return "";
    if (Array.isArray(value) || Object.prototype.toString.call(value) === "[object Array]") return "";
    return String(value);
}

/** Elements that are shown of something that can be iterated. */
const MOST = 100;

function print(name, value, depth, levels, out) {
    const indent = "    ".repeat(depth);
    out.push(`${indent}${name.padEnd(16)} : ${text(value)}`.trimEnd());
    if (levels === 0 || value === null || typeof value !== "object" || value instanceof Int64) return;
    for (const member of members(value)) {
        const inner = plain(value[member]);
        if (inner !== undefined) print(member, inner, depth + 1, levels - 1, out);
    }
    if (!isIterable(value)) return;
    let index = 0;
    for (const one of value) {
        if (index === MOST) {
            out.push(`${indent}    [...]`);
            break;
        }
        print(`[0x${(index++).toString(16)}]`, plain(unwrap(one)), depth + 1, levels - 1, out);
    }
}

/** What a command prints. */
function run(debug, command) {
    const parsed = /^(?:dx(?: -r(\d))? |!)(.*)$/s.exec(command);
    if (parsed === null) throw new Error(`what is ${command}?`);
    const isBang = command.startsWith("!");
    const [alias, ...rest] = parsed[2].split(" ");
    const expression = isBang ? `@$${alias}(${rest.join(" ")})` : parsed[2];
    const source = expression.replace(/@\$(\w+)\(/g, "call('$1', ").replace(/\(('\w+'), \)/g, "($1)");
    const call = (name, ...values) => model(debug.aliases.get(name)(...values));
    const evaluate = new Function("call", `return ${source.replace(/0x[0-9a-fA-F`]{9,}/g, address => `big("${address}")`)};`
        .replace(/big\("([^"]*)"\)/g, (_, address) => `call.big("${address.replace(/`/g, "")}")`));
    call.big = address => Int64.of(BigInt(address));
    const out = [];
    try {
        print(expression, plain(evaluate(call)), 0, parsed[1] === undefined ? 1 : Number(parsed[1]), out);
    } catch (error) {
        out.push(`Error: ${error.message}`);
    }
    return out;
}

const [script, ...commands] = process.argv.slice(2);
const debug = new Debugger(fs.readFileSync(script, "utf8"), JSON.parse(fs.readFileSync(0, "utf8")));
for (const command of commands) {
    process.stdout.write([`0: kd> ${command}`].concat(run(debug, command), "").join("\n"));
}
debug.close();
