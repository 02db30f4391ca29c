// Sums of the elements of several streams, lane by lane.
//
// A beat is taken from all inputs in the cycle in which all offer one; ready waits for valid.
// Latency: $clog2(INPUTS) cycles: one for each time that terms are added in pairs. A beat a cycle.
//
// Input i is field i of s_axis_tvalid, of s_axis_tready and of each packed parameter, which has
// 32 bits a field. Its PE*INPUT_BITS[i] bits of s_axis_tdata stand above those of inputs before it.
// Encodings: 0 unsigned, 1 two's complement, 2 bipolar (bit 0 is -1, bit 1 is +1).
// The sum is kept in its lowest OUTPUT_BITS bits: unsigned or two's complement, whichever holds it.
`default_nettype none

module add #(
  parameter int                   INPUTS         = 2,                // terms of a sum, >= 2
  parameter int                   PE             = 1,                // elements a beat, >= 1
  parameter logic [INPUTS*32-1:0] INPUT_BITS     = {INPUTS{32'd8}},  // 1 to 32 each; bipolar: 1
  parameter logic [INPUTS*32-1:0] INPUT_ENCODING = {INPUTS{32'd1}},  // 0, 1 or 2 each
  parameter int                   OUTPUT_BITS    = 9                 // must hold every sum
) (
  input  logic                             aclk,
  input  logic                             aresetn,
  input  logic [PE*bits_below(INPUTS)-1:0] s_axis_tdata,
  input  logic [INPUTS-1:0]                s_axis_tvalid,
  output logic [INPUTS-1:0]                s_axis_tready,
  output logic [PE*OUTPUT_BITS-1:0]        m_axis_tdata,
  output logic                             m_axis_tvalid,
  input  logic                             m_axis_tready,
  output logic                             busy,    // a beat is taken in this cycle
  output logic                             stalled  // sums wait to be taken
);
  // Bits that the inputs before input `count` have in a lane of s_axis_tdata.
  function automatic int bits_below(input int count);
    bits_below = 0;
    for (int i = 0; i < count; i = i + 1)
      bits_below = bits_below + int'(INPUT_BITS[i*32+:32]);
  endfunction

  if (INPUTS < 2) begin : g_bad_inputs
    $error("INPUTS must be at least 2");
  end

  localparam int ROUNDS = $clog2(INPUTS);

  logic advance, take;
  assign advance = !m_axis_tvalid || m_axis_tready;
  assign take = advance && &s_axis_tvalid;
  assign s_axis_tready = {INPUTS{take}};
  assign busy = take;
  assign stalled = m_axis_tvalid && !m_axis_tready;

  logic [INPUTS-1:0][PE*OUTPUT_BITS-1:0] terms;
  for (genvar i = 0; i < INPUTS; i = i + 1) begin : g_input
    localparam int BITS = int'(INPUT_BITS[i*32+:32]);
    localparam int ENCODING = int'(INPUT_ENCODING[i*32+:32]);
    logic [PE*BITS-1:0] stored;
    assign stored = s_axis_tdata[PE*bits_below(i)+:PE*BITS];

    convert_lanes #(
      .LANES          (PE),
      .INPUT_BITS     (BITS),
      .INPUT_ENCODING (ENCODING),
      .OUTPUT_BITS    (OUTPUT_BITS),
      .OUTPUT_ENCODING(1)
    ) convert (
      .x(stored),
      .y(terms[i])
    );

    stable_beat #(
      .WIDTH(PE * BITS)
    ) input_is_stable (
      .aclk   (aclk),
      .aresetn(aresetn),
      .valid  (s_axis_tvalid[i]),
      .ready  (s_axis_tready[i]),
      .payload(stored)
    );
  end

  // Round r has the terms that are left after as many additions in pairs.
  logic [ROUNDS-1:0] valid;
  for (genvar r = 0; r <= ROUNDS; r = r + 1) begin : g_round
    localparam int LEFT = (INPUTS + (1 << r) - 1) >> r;
    logic [LEFT*PE*OUTPUT_BITS-1:0] left;
    if (r == 0) begin : g_first
      assign left = terms;
    end else begin : g_later
      for (genvar i = 0; i < LEFT; i = i + 1) begin : g_sum
        localparam int BEFORE = (INPUTS + (1 << (r - 1)) - 1) >> (r - 1);
        logic [PE*OUTPUT_BITS-1:0] sum;
        assign left[i*PE*OUTPUT_BITS+:PE*OUTPUT_BITS] = sum;
        for (genvar p = 0; p < PE; p = p + 1) begin : g_lane
          logic [OUTPUT_BITS-1:0] first, second;
          assign first = g_round[r-1].left[(2*i*PE+p)*OUTPUT_BITS+:OUTPUT_BITS];
          if (2 * i + 1 < BEFORE) begin : g_two
            assign second = g_round[r-1].left[((2*i+1)*PE+p)*OUTPUT_BITS+:OUTPUT_BITS];
          end else begin : g_one
            assign second = '0;
          end
          always_ff @(posedge aclk)
            if (advance) sum[p*OUTPUT_BITS+:OUTPUT_BITS] <= first + second;
        end
      end
    end
  end
  assign m_axis_tdata = g_round[ROUNDS].left;
  assign m_axis_tvalid = valid[ROUNDS-1];

  always_ff @(posedge aclk) begin
    if (!aresetn) valid <= '0;
    else if (advance) valid <= ROUNDS'({valid, take});
  end

  stable_beat #(
    .WIDTH(PE * OUTPUT_BITS)
  ) output_is_stable (
    .aclk   (aclk),
    .aresetn(aresetn),
    .valid  (m_axis_tvalid),
    .ready  (m_axis_tready),
    .payload(m_axis_tdata)
  );
endmodule

`default_nettype wire
