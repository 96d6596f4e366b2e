"""Names that got a better one go on working for one release, and say what they are called now."""

import pickle
import subprocess
import sys

import pytest

import jaxent
from jaxent import band, entanglement

CHAIN = jaxent.Chain(3, 30)
PLAN = jaxent.plan_entropy(CHAIN, 0.7, 29, 0.3)
OLD_ATTRIBUTES = {
    "BandPlan.mirrored": (PLAN, "reversed_columns"),
    "BandPlan.slopes": (PLAN, "phase_rates"),
    "Facts.real": (band.Facts(no_offset=False), "no_offset"),
    "Facts.top": (band.Facts(all_outcomes_n=False), "all_outcomes_n"),
    "Sensitivities.slopes": (jaxent.Sensitivities(1.0, {"time": 2.0}), "gradients"),
}


@pytest.mark.parametrize("old", OLD_ATTRIBUTES)
def test_an_old_attribute_warns_and_gives_the_new_one(old):
    holder, new = OLD_ATTRIBUTES[old]
    owner, name = old.split(".")
    with pytest.warns(DeprecationWarning, match=rf"^{old} is now {owner}\.{new}\.$"):
        found = getattr(holder, name)
    assert found is getattr(holder, new)


@pytest.mark.parametrize("module", [jaxent, entanglement])
def test_the_old_name_of_a_function_warns_and_gives_the_new_one(module):
    with pytest.warns(DeprecationWarning, match=r"^state_log_negativity is now log_negativity_dm\.$"):
        found = module.state_log_negativity
    assert found is module.log_negativity_dm
    assert "state_log_negativity" not in [*module.__all__, *dir(jaxent)]
    with pytest.raises(AttributeError, match="state_log_negativities"):
        module.state_log_negativities  # noqa: B018


def test_old_attributes_are_no_fields():
    """Records are compared, unpacked and pickled by their new fields alone, without a warning."""
    assert "mirrored" not in vars(PLAN)
    assert band.Facts._fields == ("all_outcomes_n", "no_offset", "uniform", "known")
    assert jaxent.Sensitivities._fields == ("value", "gradients")
    assert pickle.loads(pickle.dumps(band.Facts())) == band.Facts()


def test_a_script_is_told_which_line_has_to_change():
    """Python shows a DeprecationWarning only if it is attributed to the script itself."""
    code = "from jaxent import band\nfacts = band.Facts()\nfacts.top\nfrom jaxent import state_log_negativity\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert "<string>:3: DeprecationWarning: Facts.top is now Facts.all_outcomes_n." in done.stderr
    assert "<string>:4: DeprecationWarning: state_log_negativity is now log_negativity_dm." in done.stderr
