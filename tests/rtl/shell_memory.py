"""What both benches of the shell share: a memory behind cocotbext-axi, and a judge of bursts."""

import logging

from cocotb.triggers import RisingEdge


class Memory:
    """Eight-byte words that exist once they are written; the target of cocotbext-axi's slave."""

    def __init__(self) -> None:
        self.words: dict[int, bytes] = {}
        self.refused = range(0)  # addresses that are answered with an error

    async def read(self, address: int, length: int) -> bytes:
        if address in self.refused:
            raise OSError(f"no memory at 0x{address:x}")
        assert length == 8
        return self.words.get(address, b"\xee" * 8)

    async def write(self, address: int, data: bytes) -> None:
        if address in self.refused:
            raise OSError(f"no memory at 0x{address:x}")
        assert len(data) == 8, "the shell writes whole beats or nothing"
        self.words[address] = data

    def fill(self, address: int, words: list[bytes]) -> None:
        self.words.update({address + 8 * i: word for i, word in enumerate(words)})


class BurstJudge:
    """Notes every burst that the memory takes, and fails on one that breaks the rules."""

    def __init__(self, dut, outstanding: int) -> None:
        self.dut = dut
        self.outstanding = outstanding  # bursts that may be in flight in each direction
        self.in_flight = {"ar": 0, "aw": 0}
        self.bursts: dict[str, list[tuple[int, int]]] = {"ar": [], "aw": []}

    async def watch(self) -> None:
        signals = {
            port: [getattr(self.dut, f"m_axi_mem_{port}{end}") for end in ("valid", "ready")]
            for port in self.bursts
        }
        answer, taken = self.dut.m_axi_mem_rvalid, self.dut.m_axi_mem_rready
        while True:
            await RisingEdge(self.dut.aclk)
            for port, (valid, ready) in signals.items():
                if valid.value == 1 and ready.value == 1:
                    self.in_flight[port] += 1
                    self._judge(port)
                    assert self.in_flight[port] <= self.outstanding
            if answer.value == 1 and taken.value == 1 and self.dut.m_axi_mem_rlast.value == 1:
                self.in_flight["ar"] -= 1
            if self.dut.m_axi_mem_bvalid.value == 1 and self.dut.m_axi_mem_bready.value == 1:
                self.in_flight["aw"] -= 1

    def _judge(self, port: str) -> None:
        def field(name: str) -> int:
            return int(getattr(self.dut, f"m_axi_mem_{port}{name}").value)

        assert (field("size"), field("burst"), field("cache")) == (3, 1, 3)
        assert not any(field(name) for name in ("prot", "lock", "qos", "id"))
        first, beats = field("addr"), field("len") + 1
        assert first % 8 == 0
        assert beats <= 16
        assert first // 128 == (first + 8 * beats - 1) // 128, "a burst crosses 128 bytes"
        self.bursts[port].append((first, beats))


def quiet(dut) -> None:
    """Lets cocotbext-axi report what goes wrong, and not each burst."""
    logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.ERROR)
