"""Where the cells of a grid run: processes of this machine, or a Ray cluster.

An executor is a function of (task, items, jobs) that yields what
`task(item)` returns as the items end, in any order.
"""

import os


def run_locally(task, items, jobs):
    """Runs tasks in processes of this machine, by joblib.

    Every process computes in its share of the cores: the figures of a row
    depend on the number of threads, which the row tells.
    """
    import joblib

    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    os.environ["TF_NUM_INTRAOP_THREADS"] = threads
    os.environ["TF_NUM_INTEROP_THREADS"] = threads
    parallel = joblib.Parallel(
        n_jobs=jobs, return_as="generator_unordered", pre_dispatch=2 * jobs
    )
    return parallel(joblib.delayed(task)(item) for item in items)


def run_on_ray(task, items, jobs):
    """Runs tasks on a Ray cluster: the one at `RAY_ADDRESS`, or a local one.

    Tasks of a worker that is lost run again on another. Every task takes one
    core.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError(
            "The Ray executor needs Ray: pip install kerastl[ray]"
        ) from error

    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS")
        local = {} if address else {"num_cpus": jobs}
        ray.init(address=address, log_to_driver=False, **local)

    @ray.remote(num_cpus=1, max_retries=3)
    def remote(item):
        return task(item)

    waiting = [remote.remote(item) for item in items]
    while waiting:
        done, waiting = ray.wait(waiting)
        yield from ray.get(done)


EXECUTORS = {"joblib": run_locally, "ray": run_on_ray}
