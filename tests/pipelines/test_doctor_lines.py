import pytest

from pipelines import doctor


@pytest.mark.usefixtures("local_ray")
def test_it_ends_with_status_1_where_something_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    doctor.main(doctor.Config())
    assert capsys.readouterr().out.endswith("\nNothing is missing.\n")
    with pytest.raises(SystemExit) as ended:
        doctor.main(doctor.Config(storage="/proc/nowhere", tracking="http://127.0.0.1:9"))
    assert ended.value.code == 1
    assert capsys.readouterr().out.endswith("\nMissing: storage, mlflow.\n")
