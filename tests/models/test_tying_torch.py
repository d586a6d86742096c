"""What docs/tying.md says of PyTorch: which things keep a parameter under two names one."""

import copy

import pytest

torch = pytest.importorskip("torch")
nn = torch.nn


@pytest.fixture
def net():
    parts = {"conv": nn.Conv2d(4, 4, 3, bias=False), "up": nn.ConvTranspose2d(4, 4, 3, 2, bias=False)}
    parts["up"].weight = parts["conv"].weight
    return nn.ModuleDict(parts)


def tied(net):
    return net["up"].weight is net["conv"].weight


def test_loading_keeps_the_tie_and_the_last_value(net):
    zero, one = torch.zeros(4, 4, 3, 3), torch.ones(4, 4, 3, 3)
    for state in ({"conv.weight": zero, "up.weight": one}, {"up.weight": one, "conv.weight": zero}):
        net.load_state_dict(state)
        assert tied(net)
        assert (net["conv"].weight == 1).all()
    net.load_state_dict(net.state_dict(), assign=True)
    assert not tied(net)


def test_a_file_has_it_twice(net, tmp_path):
    torch.save(net.state_dict(), tmp_path / "net.pt")
    assert set(torch.load(tmp_path / "net.pt")) == {"conv.weight", "up.weight"}


def test_copies(net):
    assert tied(copy.deepcopy(net))
    assert not tied(nn.ModuleDict({name: copy.deepcopy(part) for name, part in net.items()}))
    assert tied(torch.optim.swa_utils.AveragedModel(net).module)


def test_an_average_over_the_state_in_place_decays_twice(net):
    before = net["conv"].weight.detach().clone()
    for value in net.state_dict().values():
        value.mul_(0.9)
    torch.testing.assert_close(net["conv"].weight.detach(), 0.81 * before)


def test_two_parameters_over_one_memory_are_stepped_and_decayed_twice():
    def after_a_step(gradient, **settings):
        one = nn.Parameter(torch.ones(3))
        two = nn.Parameter(one.data)
        one.grad = two.grad = torch.full((3,), gradient)
        torch.optim.AdamW([one, two], lr=0.1, **settings).step()
        return one.detach()

    torch.testing.assert_close(after_a_step(1.0, weight_decay=0), torch.full((3,), 0.8))
    torch.testing.assert_close(after_a_step(0.0, weight_decay=1), torch.full((3,), 0.9**2))


def test_safetensors_keeps_one_name(net, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    with pytest.raises(RuntimeError, match="share memory"):
        safetensors.save_file(net.state_dict(), tmp_path / "net.safetensors")
    safetensors.save_model(net, str(tmp_path / "net.safetensors"))
    assert len(safetensors.load_file(tmp_path / "net.safetensors")) == 1
    other = copy.deepcopy(net)
    nn.init.zeros_(other["conv"].weight)
    safetensors.load_model(other, tmp_path / "net.safetensors")
    assert tied(other)
    torch.testing.assert_close(other["up"].weight, net["up"].weight)
