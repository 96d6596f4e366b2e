"""What checks the annotations of jaxent while the tests run."""

import beartype

checked = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
