// Frames of several streams one after another: all beats of input 0, then of input 1, and so on.
//
// An input waits until its turn comes; ready never waits for valid. Elements keep their values in
// the output's encoding. Latency: 1 cycle. A beat a cycle.
//
// Input i is field i of s_axis_tvalid, of s_axis_tready and of each packed parameter, which has
// 32 bits a field. Its PE*INPUT_BITS[i] bits of s_axis_tdata stand above those of inputs before it.
// Encodings: 0 unsigned, 1 two's complement, 2 bipolar (bit 0 is -1, bit 1 is +1).
`default_nettype none

module concatenate #(
  parameter int                   INPUTS          = 2,                // frames that make one, >= 2
  parameter int                   PE              = 1,                // elements a beat, >= 1
  parameter logic [INPUTS*32-1:0] BEATS           = {INPUTS{32'd1}},  // beats a frame, >= 1 each
  parameter logic [INPUTS*32-1:0] INPUT_BITS      = {INPUTS{32'd8}},  // 1 to 32 each; bipolar: 1
  parameter logic [INPUTS*32-1:0] INPUT_ENCODING  = {INPUTS{32'd1}},  // 0, 1 or 2 each
  parameter int                   OUTPUT_BITS     = 8,                // must hold them; bipolar: 1
  parameter int                   OUTPUT_ENCODING = 1                 // 0, 1 or 2; must hold them
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
  output logic                             stalled  // elements wait to be taken
);
  localparam int BEAT_BITS = longest() > 1 ? $clog2(longest()) : 1;
  localparam int TURN_BITS = $clog2(INPUTS);

  // Bits that the inputs before input `count` have in a lane of s_axis_tdata.
  function automatic int bits_below(input int count);
    bits_below = 0;
    for (int i = 0; i < count; i = i + 1)
      bits_below = bits_below + int'(INPUT_BITS[i*32+:32]);
  endfunction

  function automatic int longest();
    longest = 0;
    for (int i = 0; i < INPUTS; i = i + 1)
      if (int'(BEATS[i*32+:32]) > longest) longest = int'(BEATS[i*32+:32]);
  endfunction

  if (INPUTS < 2) begin : g_bad_inputs
    $error("INPUTS must be at least 2");
  end

  // Whose turn it is, and where its frame stands.
  logic [TURN_BITS-1:0] turn;
  logic [BEAT_BITS-1:0] beat;
  logic [INPUTS-1:0] last_beat;
  logic advance, take;
  assign advance = !m_axis_tvalid || m_axis_tready;
  assign take = advance && s_axis_tvalid[turn];
  assign busy = take;
  assign stalled = m_axis_tvalid && !m_axis_tready;

  logic [INPUTS-1:0][PE*OUTPUT_BITS-1:0] converted;
  for (genvar i = 0; i < INPUTS; i = i + 1) begin : g_input
    localparam int BITS = int'(INPUT_BITS[i*32+:32]);
    localparam int ENCODING = int'(INPUT_ENCODING[i*32+:32]);
    localparam int FRAME_BEATS = int'(BEATS[i*32+:32]);
    // An unsigned value is one bit longer with a sign, and a bipolar one has 2 as an integer.
    localparam int BITS_NEEDED = ENCODING != 1 && OUTPUT_ENCODING == 1 ? BITS + 1 : BITS;

    if (FRAME_BEATS < 1) begin : g_bad_beats
      $error("BEATS must be at least 1 each");
    end
    if (OUTPUT_BITS < BITS_NEEDED || (ENCODING == 1 && OUTPUT_ENCODING != 1)
      || (ENCODING == 2 && OUTPUT_ENCODING == 0)) begin : g_bad_output
      $error("OUTPUT_BITS and OUTPUT_ENCODING must hold every input");
    end

    assign s_axis_tready[i] = advance && turn == TURN_BITS'(i);
    assign last_beat[i] = beat == BEAT_BITS'(FRAME_BEATS - 1);

    logic [PE*BITS-1:0] stored;
    assign stored = s_axis_tdata[PE*bits_below(i)+:PE*BITS];

    convert_lanes #(
      .LANES          (PE),
      .INPUT_BITS     (BITS),
      .INPUT_ENCODING (ENCODING),
      .OUTPUT_BITS    (OUTPUT_BITS),
      .OUTPUT_ENCODING(OUTPUT_ENCODING)
    ) convert (
      .x(stored),
      .y(converted[i])
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

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      turn <= '0;
      beat <= '0;
      m_axis_tvalid <= 1'b0;
    end else begin
      if (take) beat <= last_beat[turn] ? '0 : beat + 1'b1;
      if (take && last_beat[turn]) turn <= turn == TURN_BITS'(INPUTS - 1) ? '0 : turn + 1'b1;
      if (advance) m_axis_tvalid <= take;
    end
    if (take) m_axis_tdata <= converted[turn];
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
