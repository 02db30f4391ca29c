// How many of PRODUCTS one-bit products are 1, pipelined. A product is XNOR of bipolar bits, or AND.
//
// The products are never bits of their own: two LUTs take three of them to a number of two bits.
// Latency: REGISTERS cycles. A count a cycle.
`default_nettype none

module product_count #(
  parameter int PRODUCTS   = 64,  // 1 to 32767
  parameter int XNOR       = 0,   // 1 XNOR, 0 AND
  parameter int REGISTERS  = 0,   // >= 0
  // 1 as counters, which synthesise well; 0 as one expression, which a simulator takes at once.
`ifdef VERILATOR
  parameter int STRUCTURE  = 0,
`else
  parameter int STRUCTURE  = 1,
`endif
  // The rest follows from the above: leave it alone.
  parameter int COUNT_BITS = $clog2(PRODUCTS + 1)
) (
  input  logic                  aclk,
  input  logic                  advance,  // the registers move
  input  logic [PRODUCTS-1:0]   x,
  input  logic [PRODUCTS-1:0]   w,
  output logic [COUNT_BITS-1:0] count
);
  localparam int THREES = PRODUCTS / 3;
  localparam int REST = PRODUCTS % 3;

  if (PRODUCTS < 1 || PRODUCTS > 32767) begin : g_bad_products
    $error("PRODUCTS must be 1 to 32767");
  end

  if (STRUCTURE != 0) begin : g_structure
    logic [2*THREES+REST-1:0] bits;
    if (REST > 0) begin : g_rest
      logic [REST-1:0] xs, ws;
      assign xs = x[PRODUCTS-1-:REST];
      assign ws = w[PRODUCTS-1-:REST];
      assign bits[REST-1:0] = XNOR != 0 ? ~(xs ^ ws) : xs & ws;
    end
    if (THREES > 0) begin : g_threes
      product3 #(
        .COUNTERS(THREES),
        .PRODUCT (XNOR)
      ) products (
        .x   (x[3*THREES-1:0]),
        .w   (w[3*THREES-1:0]),
        .ones(bits[REST+:THREES]),
        .twos(bits[REST+THREES+:THREES])
      );
    end
    bit_heap #(
      .COLUMNS  (COUNT_BITS),
      .HEIGHTS  ((COUNT_BITS * 16)'({16'(THREES), 16'(THREES + REST)})),
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
      .x(COUNT_BITS'($countones(XNOR != 0 ? ~(x ^ w) : x & w))),
      .y(count)
    );
  end
endmodule

`default_nettype wire
