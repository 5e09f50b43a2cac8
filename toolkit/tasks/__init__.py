"""Front door: invoke. One module per namespace.

A project's ``tasks.py`` is one line: ``from toolkit.tasks import ns``.
"""

from invoke.collection import Collection

from toolkit.tasks import (
    adopting,
    analysis,
    chaos,
    ci,
    data,
    db,
    failures,
    flaky,
    gates,
    history,
    load,
    maintenance,
    performance,
    pipeline,
    plan,
    predict,
    reports,
    services,
    smells,
    tests,
)

ns = Collection()
"""All namespaces: ``reports.*``, ``history.*`` …"""

ns.add_task(adopting.doctor, "doctor")
ns.add_task(adopting.init, "init")
ns.add_collection(analysis.ns, "analysis")
ns.add_collection(chaos.ns, "chaos")
ns.add_collection(ci.ns, "ci")
ns.add_collection(data.ns, "data")
ns.add_collection(db.ns, "db")
ns.add_collection(failures.ns, "failures")
ns.add_collection(flaky.ns, "flaky")
ns.add_collection(gates.ns, "gates")
ns.add_collection(history.ns, "history")
ns.add_collection(pipeline.ns, "pipeline")
ns.add_collection(load.ns, "load")
ns.add_collection(maintenance.ns, "maintenance")
ns.add_collection(performance.ns, "performance")
ns.add_collection(plan.ns, "plan")
ns.add_collection(predict.ns, "predict")
ns.add_collection(reports.ns, "reports")
ns.add_collection(services.ns, "services")
ns.add_collection(smells.ns, "smells")
ns.add_collection(tests.ns, "tests")
