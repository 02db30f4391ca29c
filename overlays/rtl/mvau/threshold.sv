// Multi-threshold: each channel's level is how many of its thresholds its accumulator reaches.
//
// A binary search: a bit of the level takes a cycle to read a threshold and one to compare, with
// BITS comparators a channel instead of 2**BITS - 1. A frame comes and leaves PE channels a beat,
// one beat a cycle. Latency: 2 * BITS cycles. Output: BASE + level; a bipolar output is the level
// itself.
//
// Threshold image: word {p, fold, node} (fields of $clog2(PE), $clog2(FOLDS) and BITS bits) is the
// threshold that channel fold*PE+p compares at `node` of its search tree: node 1 is the root, and
// node n leads to node 2n where it is not reached, else to 2n+1. FOLDS is 1 where all channels
// share their thresholds.
`default_nettype none

module threshold #(
  parameter FOLDS          = 1,                // beats before the thresholds repeat, >= 1
  parameter PE             = 1,                // channels a beat, >= 1
  parameter INPUT_BITS     = 8,                // 1 to 32
  parameter INPUT_ENCODING = 1,                // 0 unsigned, 1 two's complement, 2 bipolar
  parameter BITS           = 1,                // bits of the level, 1 to 8
  parameter BASE           = 0,                // the value of level 0; 0 for a bipolar output
  parameter OUTPUT_BITS    = 1,                // must hold BASE + each level that occurs
  parameter THRESHOLD_BITS = 9,                // two's complement; must hold every threshold
  parameter THRESHOLDS     = "thresholds.hex"  // memory image, see above
) (
  input  wire                      aclk,
  input  wire                      aresetn,
  input  wire [PE*INPUT_BITS-1:0]  s_axis_tdata,
  input  wire                      s_axis_tvalid,
  output wire                      s_axis_tready,
  output wire [PE*OUTPUT_BITS-1:0] m_axis_tdata,
  output wire                      m_axis_tvalid,
  input  wire                      m_axis_tready,
  output wire                      busy,    // a beat is taken in this cycle
  output wire                      stalled  // levels wait to be taken
);
  localparam FOLD_BITS = FOLDS > 1 ? $clog2(FOLDS) : 0;
  localparam FOLD_WIDTH = FOLDS > 1 ? FOLD_BITS : 1;
  localparam PE_BITS = PE > 1 ? $clog2(PE) : 0;
  localparam ADDRESS_BITS = PE_BITS + FOLD_BITS + BITS;
  // Room for the signs and for bipolar values.
  localparam VALUE_BITS = INPUT_BITS + 1;
  localparam COMPARE_BITS = VALUE_BITS > THRESHOLD_BITS ? VALUE_BITS : THRESHOLD_BITS;

  generate
    if (BITS < 1 || BITS > 8 || OUTPUT_BITS < 1) begin : g_bad_bits
      $error("BITS must be 1 to 8, and OUTPUT_BITS at least 1");
    end
  endgenerate

  // The whole search moves but where its last beat waits, which a register tells it.
  wire advance;
  assign s_axis_tready = advance;
  assign busy = s_axis_tvalid && s_axis_tready;
  assign stalled = m_axis_tvalid && !m_axis_tready;

  reg [FOLD_WIDTH-1:0] fold;
  always @(posedge aclk) begin
    if (!aresetn) fold <= 0;
    else if (busy) fold <= fold == FOLD_WIDTH'(FOLDS - 1) ? 0 : fold + 1'b1;
  end

  // Bit i: the i-th register of the search holds a beat.
  reg [2*BITS-1:0] valid;
  always @(posedge aclk) begin
    if (!aresetn) valid <= 0;
    else if (advance) valid <= (2 * BITS)'({valid, s_axis_tvalid});
  end

  wire [BITS*PE*ADDRESS_BITS-1:0] address;
  wire [BITS*PE*THRESHOLD_BITS-1:0] bound;
  rom #(
    .WIDTH(THRESHOLD_BITS),
    .DEPTH(1 << ADDRESS_BITS),
    .READS(BITS * PE),
    .CYCLES(1),
    .IMAGE(THRESHOLDS)
  ) thresholds (
    .aclk   (aclk),
    .advance(advance),
    .address(address),
    .data   (bound)
  );

  genvar j, p;
  generate
    for (j = 0; j < BITS; j = j + 1) begin : g_bit
      wire [FOLD_WIDTH-1:0] fold_now;
      if (j == 0) begin : g_first
        assign fold_now = fold;
      end else begin : g_later
        delay #(
          .WIDTH (FOLD_WIDTH),
          .CYCLES(2)
        ) fold_behind (
          .aclk   (aclk),
          .advance(advance),
          .x      (g_bit[j-1].fold_now),
          .y      (fold_now)
        );
      end

      for (p = 0; p < PE; p = p + 1) begin : g_pe
        // The node reached so far; its lowest bits are the bits of the level found so far.
        wire [BITS-1:0] node;
        wire signed [VALUE_BITS-1:0] value;
        if (j == 0) begin : g_first
          wire [INPUT_BITS-1:0] stored = s_axis_tdata[p*INPUT_BITS+:INPUT_BITS];
          assign node = BITS'(1);
          if (INPUT_ENCODING == 2) begin : g_bipolar
            assign value = stored[0] ? VALUE_BITS'(1) : -(VALUE_BITS'(1));
          end else begin : g_integer
            assign value = {INPUT_ENCODING == 1 && stored[INPUT_BITS-1], stored};
          end
        end else begin : g_later
          assign node = g_bit[j-1].g_pe[p].found;
          assign value = g_bit[j-1].g_pe[p].compared;
        end
        assign address[(j*PE+p)*ADDRESS_BITS+:ADDRESS_BITS] = ADDRESS_BITS'(node)
          | ADDRESS_BITS'(fold_now) << BITS
          | ADDRESS_BITS'(p) << (FOLD_BITS + BITS);

        // Beside the threshold that is read, and behind the comparison.
        reg [BITS-1:0] node_read, found;
        reg signed [VALUE_BITS-1:0] value_read, compared;
        wire signed [THRESHOLD_BITS-1:0] limit =
          bound[(j*PE+p)*THRESHOLD_BITS+:THRESHOLD_BITS];
        wire reached = COMPARE_BITS'(value_read) >= COMPARE_BITS'(limit);
        always @(posedge aclk)
          if (advance) begin
            node_read <= node;
            value_read <= value;
            found <= BITS'({node_read, reached});
            compared <= value_read;
          end
        if (j == BITS - 1) begin : g_last
          wire unused = &{1'b0, compared, found};
        end
      end
    end
  endgenerate

  wire [PE*OUTPUT_BITS-1:0] outputs;
  generate
    for (p = 0; p < PE; p = p + 1) begin : g_output
      assign outputs[p*OUTPUT_BITS+:OUTPUT_BITS] =
        OUTPUT_BITS'(BASE) + OUTPUT_BITS'(g_bit[BITS-1].g_pe[p].found);
    end
  endgenerate

  stream_skid #(
    .WIDTH(PE * OUTPUT_BITS)
  ) leave (
    .aclk         (aclk),
    .aresetn      (aresetn),
    .s_axis_tdata (outputs),
    .s_axis_tvalid(valid[2*BITS-1]),
    .s_axis_tready(advance),
    .m_axis_tdata (m_axis_tdata),
    .m_axis_tvalid(m_axis_tvalid),
    .m_axis_tready(m_axis_tready)
  );
endmodule

`default_nettype wire
