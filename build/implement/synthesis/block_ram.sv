// What a block RAM of the 7 series does, as far as Yosys uses it: Yosys's own models of RAMB18E1 and
// RAMB36E1 say only how fast it is. Source: AMD UG473, chapter 1.
//
// Port A reads, and writes in true dual-port mode; port B likewise. In simple dual-port mode ("SDP")
// A only reads and B only writes, and at the full width the other port's data pins carry the upper
// half. Not here: output registers, error correction, cascades, inverted pins.
`default_nettype none

module block_ram #(
  parameter ADDRESS_BITS  = 14,             // of a bit: 14 in RAMB18E1, 15 in RAMB36E1
  parameter INIT          = 0,              // 2**ADDRESS_BITS bits
  parameter INITP         = 0,              // parity: a bit for each 8 of them
  parameter RAM_MODE      = "TDP",          // or "SDP"
  parameter READ_WIDTH_A  = 0,              // 0, 1, 2, 4, 9, 18, 36, in SDP mode 72
  parameter READ_WIDTH_B  = 0,
  parameter WRITE_WIDTH_A = 0,
  parameter WRITE_WIDTH_B = 0,
  parameter WRITE_MODE_A  = "WRITE_FIRST",  // or "READ_FIRST", "NO_CHANGE"
  parameter WRITE_MODE_B  = "WRITE_FIRST",
  parameter INIT_A        = 0,              // what the ports give at first, parity above the data
  parameter INIT_B        = 0,
  parameter SRVAL_A       = 0,              // and after a reset
  parameter SRVAL_B       = 0,
  parameter UNSUPPORTED   = 0,              // whether anything is asked for that is not here
  // The rest follows from the above: leave it alone.
  parameter LANES         = ADDRESS_BITS == 15 ? 4 : 2  // bytes of a port
) (
  input  wire                    clock_a,
  input  wire                    enable_a,
  input  wire                    reset_a,
  input  wire [ADDRESS_BITS-1:0] address_a,
  input  wire [LANES-1:0]        write_a,
  input  wire [LANES*8-1:0]      data_in_a,
  input  wire [LANES-1:0]        parity_in_a,
  output wire [LANES*8-1:0]      data_out_a,
  output wire [LANES-1:0]        parity_out_a,

  input  wire                    clock_b,
  input  wire                    enable_b,
  input  wire                    reset_b,
  input  wire [ADDRESS_BITS-1:0] address_b,
  input  wire [2*LANES-1:0]      write_b,
  input  wire [LANES*8-1:0]      data_in_b,
  input  wire [LANES-1:0]        parity_in_b,
  output wire [LANES*8-1:0]      data_out_b,
  output wire [LANES-1:0]        parity_out_b
);
  localparam BYTES = 1 << (ADDRESS_BITS - 3);
  localparam BOTH = 2 * LANES;  // bytes of both ports together
  localparam WHOLE = 9 * BOTH;  // the width at which one access uses both ports' pins

  generate
    if (UNSUPPORTED != 0) $error("block RAM with what this model leaves out");
    // A port in this mode that reads what it writes: Yosys makes none of our memories so.
    if (RAM_MODE == "TDP" && (
        (READ_WIDTH_A != 0 && WRITE_WIDTH_A != 0 && WRITE_MODE_A == "WRITE_FIRST")
        || (READ_WIDTH_B != 0 && WRITE_WIDTH_B != 0 && WRITE_MODE_B == "WRITE_FIRST")))
      $error("block RAM whose port gives what is written");
  endgenerate

  reg [7:0] data[0:BYTES-1];
  reg       parity[0:BYTES-1];
  reg [2**ADDRESS_BITS-1:0] init_data = INIT;
  reg [BYTES-1:0] init_parity = INITP;
  integer i;
  initial begin
    for (i = 0; i < BYTES; i = i + 1) begin
      data[i] = init_data[8*i+:8];
      parity[i] = init_parity[i];
    end
  end

  // Bytes of an access of `width` bits, and the first of them; below 9 bits part of one.
  function automatic integer bytes(input integer width);
    bytes = width < 9 ? 1 : width / 9;
  endfunction

  function automatic integer first(input [ADDRESS_BITS-1:0] address, input integer width);
    first = (address >> 3) / bytes(width) * bytes(width);
  endfunction

  // {parity, data} of both ports' bytes, as they stand on the pins.
  function automatic [9*BOTH-1:0] fetch(input [ADDRESS_BITS-1:0] address, input integer width);
    integer k;
    fetch = 0;
    for (k = 0; k < BOTH; k = k + 1)
      if (k < bytes(width)) begin
        fetch[8*k+:8] = data[first(address, width)+k];
        fetch[8*BOTH+k] = parity[first(address, width)+k];
      end
    if (width < 9) begin
      fetch = fetch >> (address[2:0] & ~3'(width - 1));
      fetch = fetch & ((9 * BOTH)'(1) << width) - 1;
    end
  endfunction

  // Bits of one byte that a write below 9 bits replaces.
  function automatic [7:0] merged(
    input [7:0] old, input [7:0] pins, input [2:0] address, input integer width
  );
    reg [7:0] mask;
    mask = width < 9 ? 8'((1 << width) - 1) << (address & ~3'(width - 1)) : 8'hFF;
    merged = (old & ~mask) | ((width < 9 ? pins << (address & ~3'(width - 1)) : pins) & mask);
  endfunction

  wire [8*BOTH-1:0] pins_b =
    WRITE_WIDTH_B == WHOLE ? {data_in_b, data_in_a} : (8 * BOTH)'(data_in_b);
  wire [BOTH-1:0] parity_pins_b =
    WRITE_WIDTH_B == WHOLE ? {parity_in_b, parity_in_a} : BOTH'(parity_in_b);

  reg [9*BOTH-1:0] out_a, out_b;
  initial begin
    // INIT and SRVAL hold 9 bits a byte of one port.
    out_a = spread(INIT_A, INIT_B);
    out_b = spread(INIT_B, 0);
  end

  function automatic [9*BOTH-1:0] spread(input [9*LANES-1:0] low, input [9*LANES-1:0] high);
    spread = {
      high[9*LANES-1-:LANES], low[9*LANES-1-:LANES], high[8*LANES-1:0], low[8*LANES-1:0]
    };
  endfunction

  assign data_out_a = out_a[8*LANES-1:0];
  assign parity_out_a = out_a[8*BOTH+:LANES];
  generate
    if (READ_WIDTH_A == WHOLE) begin : g_whole
      assign data_out_b = out_a[8*LANES+:8*LANES];
      assign parity_out_b = out_a[8*BOTH+LANES+:LANES];
    end else begin : g_apart
      assign data_out_b = out_b[8*LANES-1:0];
      assign parity_out_b = out_b[8*BOTH+:LANES];
    end
  endgenerate

  integer a, b;
  always @(posedge clock_a) begin
    if (enable_a) begin
      if (reset_a) out_a <= spread(SRVAL_A, SRVAL_B);
      else if (READ_WIDTH_A != 0 && !(|write_a && RAM_MODE == "TDP" && WRITE_MODE_A == "NO_CHANGE"))
        out_a <= fetch(address_a, READ_WIDTH_A);
      if (RAM_MODE == "TDP" && WRITE_WIDTH_A != 0)
        for (a = 0; a < LANES; a = a + 1)
          if (a < bytes(WRITE_WIDTH_A) && write_a[a]) begin
            data[first(address_a, WRITE_WIDTH_A)+a] <= merged(
              data[first(address_a, WRITE_WIDTH_A)+a],
              data_in_a[8*a+:8], address_a[2:0], WRITE_WIDTH_A);
            if (WRITE_WIDTH_A >= 9)
              parity[first(address_a, WRITE_WIDTH_A)+a] <= parity_in_a[a];
          end
    end
  end

  always @(posedge clock_b) begin
    if (enable_b) begin
      if (reset_b) out_b <= spread(SRVAL_B, 0);
      else if (READ_WIDTH_B != 0 && !(|write_b && WRITE_MODE_B == "NO_CHANGE"))
        out_b <= fetch(address_b, READ_WIDTH_B);
      if (WRITE_WIDTH_B != 0)
        for (b = 0; b < BOTH; b = b + 1)
          if (b < bytes(WRITE_WIDTH_B) && write_b[b]) begin
            data[first(address_b, WRITE_WIDTH_B)+b] <= merged(
              data[first(address_b, WRITE_WIDTH_B)+b],
              pins_b[8*b+:8], address_b[2:0], WRITE_WIDTH_B);
            if (WRITE_WIDTH_B >= 9)
              parity[first(address_b, WRITE_WIDTH_B)+b] <= parity_pins_b[b];
          end
    end
  end
endmodule

`default_nettype wire
