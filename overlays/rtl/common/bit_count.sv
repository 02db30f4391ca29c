// How many bits are set, pipelined.
//
// Latency: REGISTERS cycles. A count a cycle.
`default_nettype none

module bit_count #(
  parameter int BITS       = 64,  // 1 to 32767
  parameter int REGISTERS  = 0,   // >= 0
  // 1 as counters, which synthesise well; 0 as one expression, which a simulator takes at once.
`ifdef VERILATOR
  parameter int STRUCTURE  = 0,
`else
  parameter int STRUCTURE  = 1,
`endif
  // The rest follows from the above: leave it alone.
  parameter int COUNT_BITS = $clog2(BITS + 1)
) (
  input  logic                  aclk,
  input  logic                  advance,  // the registers move
  input  logic [BITS-1:0]       bits,
  output logic [COUNT_BITS-1:0] count
);
  if (BITS < 1 || BITS > 32767) begin : g_bad_bits
    $error("BITS must be 1 to 32767");
  end

  if (STRUCTURE != 0) begin : g_structure
    bit_heap #(
      .COLUMNS  (COUNT_BITS),
      .HEIGHTS  ((COUNT_BITS * 16)'(BITS)),
      .REGISTERS(REGISTERS)
    ) total (
      .aclk,
      .advance,
      .bits,
      .sum(count)
    );
  end else begin : g_expression
    delay #(
      .WIDTH (COUNT_BITS),
      .CYCLES(REGISTERS)
    ) hold (
      .aclk,
      .advance,
      .x(COUNT_BITS'($countones(bits))),
      .y(count)
    );
  end
endmodule

`default_nettype wire
