# Runs a Pulumi program of a folder, by what the language host passes on from the engine.
import asyncio
import runpy
import sys
import traceback

import pulumi
import pulumi.runtime

monitor, engine, organization, project, stack, root, parallel, dry_run, program = sys.argv[1:]
pulumi.runtime.configure(
    pulumi.runtime.Settings(
        monitor=monitor,
        engine=engine,
        organization=organization,
        project=project,
        stack=stack,
        root_directory=root,
        parallel=int(parallel),
        dry_run=dry_run == "true",
    )
)
sys.argv = [program]
sys.path.insert(0, program)

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


def run() -> None:
    try:
        runpy.run_path(program, run_name="__main__")
    except ImportError:
        traceback.print_exc()
        raise


try:
    loop.run_until_complete(pulumi.runtime.run_in_stack(run))
except pulumi.RunError as error:
    pulumi.log.error(str(error))
    sys.exit(32)
finally:
    sys.stdout.flush()
    sys.stderr.flush()
