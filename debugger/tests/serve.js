// Answers requests, one a line on standard input: each is a target, for which the script is loaded anew. The answer is
// a line of JSON with what the script shows of the log there.
//
//     node debugger/tests/serve.js debugger/irqlog.js
"use strict";

const fs = require("fs");
const readline = require("readline");
const { Debugger } = require("./host");
const { stringify, elements, recordOf, providerOf, laneOf } = require("./json");

const script = fs.readFileSync(process.argv[2], "utf8");

function answer(request) {
    const debug = new Debugger(script, request);
    try {
        const log = request.call === undefined ? debug.call("irqlog") : debug.call("irqlog", request.call);
        return {
            lines: elements(log.Lines),
            records: elements(log.Records).map(record => recordOf(debug.realm, record)),
            losses: elements(log.Losses).map(loss => loss.Line),
            providers: [].concat(...elements(log.Providers).map(providerOf)),
            lanes: elements(log.Lanes).map(laneOf),
            processors: elements(log.Processors).map(processor => processor.toString()),
            recorder: log.Recorder.toString(),
            crash: log.Crash === undefined ? null : log.Crash.toString(),
            origin: log.Source.Origin,
            notes: Array.from(log.Source.Notes),
            last: elements(log),
        };
    } catch (error) {
        // An error of the script's own has the user's sentence; another one is a defect, and its place matters.
        return { error: /^irqlog: /.test(error.message) ? error.message : error.stack };
    } finally {
        debug.close();
    }
}

readline.createInterface({ input: process.stdin }).on("line", line => {
    process.stdout.write(stringify(answer(JSON.parse(line))) + "\n");
});
