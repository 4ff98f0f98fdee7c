// What the debugger calls.

/** The log of the current target, or at an address: `!irqlog`, `dx @$irqlog()`. */
function __irqlog(address) {
    try {
        return new LogModel(findLog(address));
    } catch (error) {
        // The debugger shows an error's message; the sentence says what to do.
        throw error instanceof LogError ? new Error("irqlog: " + error.message) : error;
    }
}

/** The log as a property of the session: `dx @$cursession.Irqlog`. */
class __SessionExtension {
    get Irqlog() {
        return __irqlog();
    }
}

function initializeScript() {
    return [
        new host.apiVersionSupport(1, 3),
        new host.functionAlias(__irqlog, "irqlog"),
        new host.namedModelParent(__SessionExtension, "Debugger.Models.Session"),
    ];
}
