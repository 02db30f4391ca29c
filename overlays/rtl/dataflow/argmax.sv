// The index of the largest of ROWS scores, the first of equals; scores come PE a beat.
//
// A tournament: the scores of a beat meet in pairs, $clog2(PE) rounds of them, and the best of a beat
// meets the best so far. Latency: 1 + $clog2(PE) / ROUNDS cycles, rounded up, from a frame's last
// beat. One beat a cycle.
`default_nettype none

module argmax #(
  parameter ROWS           = 2,  // scores a frame, >= 2
  parameter PE             = 1,  // scores a beat, divides ROWS
  parameter INPUT_BITS     = 8,  // 1 to 32
  parameter INPUT_ENCODING = 1,  // 0 unsigned, 1 two's complement, 2 bipolar
  parameter OUTPUT_BITS    = 1,  // must hold ROWS - 1
  parameter ROUNDS         = 1   // between two registers, >= 1
) (
  input  wire                     aclk,
  input  wire                     aresetn,
  input  wire [PE*INPUT_BITS-1:0] s_axis_tdata,
  input  wire                     s_axis_tvalid,
  output wire                     s_axis_tready,
  output wire [OUTPUT_BITS-1:0]   m_axis_tdata,
  output wire                     m_axis_tvalid,
  input  wire                     m_axis_tready,
  output wire                     busy,    // a beat is taken in this cycle
  output wire                     stalled  // a class waits to be taken
);
  localparam BEATS = ROWS / PE;
  localparam BEAT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam ALL_ROUNDS = $clog2(PE);
  localparam VALUE_BITS = INPUT_BITS + 1;

  generate
    if (ROWS % PE != 0) begin : g_bad_folding
      $error("PE must divide ROWS");
    end
    if (ROUNDS < 1) begin : g_bad_rounds
      $error("ROUNDS must be at least 1");
    end
    if (OUTPUT_BITS < $clog2(ROWS)) begin : g_bad_index
      $error("OUTPUT_BITS must hold ROWS - 1");
    end
  endgenerate

  // It all moves but where a class waits, which a register tells it.
  logic advance;
  assign s_axis_tready = advance;
  assign busy = s_axis_tvalid && s_axis_tready;
  assign stalled = m_axis_tvalid && !m_axis_tready;

  reg [BEAT_BITS-1:0] beat;
  always @(posedge aclk) begin
    if (!aresetn) beat <= 0;
    else if (busy) beat <= beat == BEAT_BITS'(BEATS - 1) ? 0 : beat + 1'b1;
  end

  genvar r, i;
  generate
    for (r = 0; r <= ALL_ROUNDS; r = r + 1) begin : g_round
      // A score that has no other goes on as it is.
      localparam LEFT = (PE + (1 << r) - 1) >> r;
      wire valid;
      wire [BEAT_BITS-1:0] place;  // of the beat in its frame
      wire signed [VALUE_BITS-1:0] best[0:LEFT-1];
      wire [OUTPUT_BITS-1:0] index[0:LEFT-1];
      if (r == 0) begin : g_scores
        assign valid = s_axis_tvalid;
        assign place = beat;
        for (i = 0; i < PE; i = i + 1) begin : g_score
          // Bipolar bits compare like unsigned ones.
          assign best[i] = {INPUT_ENCODING == 1 && s_axis_tdata[i*INPUT_BITS+INPUT_BITS-1],
            s_axis_tdata[i*INPUT_BITS+:INPUT_BITS]};
          assign index[i] = OUTPUT_BITS'(i);
        end
      end else begin : g_winners
        localparam BEFORE = (PE + (1 << (r - 1)) - 1) >> (r - 1);
        localparam CYCLES = r % ROUNDS == 0 || r == ALL_ROUNDS ? 1 : 0;
        if (CYCLES == 1) begin : g_held
          reg held;
          always @(posedge aclk) begin
            if (!aresetn) held <= 0;
            else if (advance) held <= g_round[r-1].valid;
          end
          assign valid = held;
        end else begin : g_passed
          assign valid = g_round[r-1].valid;
        end
        delay #(
          .WIDTH (BEAT_BITS),
          .CYCLES(CYCLES)
        ) hold_place (
          .aclk   (aclk),
          .advance(advance),
          .x      (g_round[r-1].place),
          .y      (place)
        );
        for (i = 0; i < LEFT; i = i + 1) begin : g_pair
          wire [VALUE_BITS+OUTPUT_BITS-1:0] winner;
          if (2 * i + 1 < BEFORE) begin : g_two
            assign winner = g_round[r-1].best[2*i+1] > g_round[r-1].best[2*i]
              ? {g_round[r-1].best[2*i+1], g_round[r-1].index[2*i+1]}
              : {g_round[r-1].best[2*i], g_round[r-1].index[2*i]};
          end else begin : g_one
            assign winner = {g_round[r-1].best[2*i], g_round[r-1].index[2*i]};
          end
          delay #(
            .WIDTH (VALUE_BITS + OUTPUT_BITS),
            .CYCLES(CYCLES)
          ) hold_winner (
            .aclk   (aclk),
            .advance(advance),
            .x      (winner),
            .y      ({best[i], index[i]})
          );
        end
      end
    end
  endgenerate

  // The best so far; `offset` is the index of the first score of the beat.
  wire beat_valid = g_round[ALL_ROUNDS].valid;
  wire [BEAT_BITS-1:0] beat_place = g_round[ALL_ROUNDS].place;
  wire signed [VALUE_BITS-1:0] beat_best = g_round[ALL_ROUNDS].best[0];
  reg found;
  reg signed [VALUE_BITS-1:0] best;
  reg [OUTPUT_BITS-1:0] index, offset;
  always @(posedge aclk) begin
    if (!aresetn) begin
      found <= 0;
      offset <= 0;
    end else if (advance) begin
      found <= beat_valid && beat_place == BEAT_BITS'(BEATS - 1);
      if (beat_valid)
        offset <= beat_place == BEAT_BITS'(BEATS - 1) ? 0 : offset + OUTPUT_BITS'(PE);
    end
    if (advance && beat_valid && (beat_place == 0 || beat_best > best)) begin
      best <= beat_best;
      index <= offset + g_round[ALL_ROUNDS].index[0];
    end
  end

  stream_skid #(
    .WIDTH(OUTPUT_BITS)
  ) leave (
    .aclk         (aclk),
    .aresetn      (aresetn),
    .s_axis_tdata (index),
    .s_axis_tvalid(found),
    .s_axis_tready(advance),
    .m_axis_tdata (m_axis_tdata),
    .m_axis_tvalid(m_axis_tvalid),
    .m_axis_tready(m_axis_tready)
  );
endmodule

`default_nettype wire
