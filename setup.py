"""Maps the top-level folders profiles/ and device_setups/ into the wheel; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

# They lie beside the package, where people look for and edit them, and ship inside it as package data.
DATA_FOLDERS = {"energytrain._profiles": "profiles", "energytrain._device_setups": "device_setups"}
# What the report's page is made of.
PAGE = ["reports/page/*.css", "reports/page/*.js", "reports/page/*.j2"]

setup(
    # Here, because the setuptools of Python 3.8 and today's do not agree on how pyproject.toml says it.
    license="Apache-2.0",
    packages=find_packages(include=["energytrain", "energytrain.*"]) + list(DATA_FOLDERS),
    package_dir={"energytrain": "energytrain", **DATA_FOLDERS},
    package_data={
        "energytrain": ["py.typed", "**/*.json", "papers/tables/*.csv", *PAGE],
        **{name: ["*.yaml"] for name in DATA_FOLDERS},
    },
    include_package_data=False,
    zip_safe=False,
)
