// Turns a frame of scores into shares of 255, as models/softmax.py says: four passes over the
// classes, each at work on another frame, and what one finds out for the next.
//
//   1  the largest score
//   2  e of each score, and their sum
//   3  e times the reciprocal of the sum, and what is left of 255
//   4  the shares, and to one of them what is left
//
// Latency: 2 * classes + 20 cycles from a frame's last score to its first share. A score and a share
// a cycle; all of it waits while a share does.
`default_nettype none

module softmax_unit #(
  parameter int MAX_CLASSES = 16,  // 2 to 64
  parameter int SCORE_BITS  = 16,  // of a score in two's complement, 2 to 33
  parameter int PLAIN       = 0    // 0 the reduced form, 1 the plain one
) (
  input  wire                         aclk,
  input  wire                         aresetn,
  // Steady from a frame's first score to its last share.
  input  wire        [6:0]            classes,     // 1 to MAX_CLASSES
  input  wire        [8:0]            multiplier,  // 256 to 511
  input  wire        [5:0]            shift,
  input  wire signed [SCORE_BITS-1:0] s_axis_tdata,
  input  wire                         s_axis_tvalid,
  output wire                         s_axis_tready,
  output wire        [7:0]            m_axis_tdata,
  output wire                         m_axis_tvalid,
  input  wire                         m_axis_tready
);
  // A frame is read up to four cycles after its last write, while the next is written.
  localparam int PLACE_BITS = $clog2(MAX_CLASSES + 3);
  localparam int PLACES = 1 << PLACE_BITS;
  localparam int CLASS_BITS = $clog2(MAX_CLASSES);
  localparam int E_BITS = PLAIN != 0 ? 14 : 9;
  localparam int POINT_BITS = PLAIN != 0 ? 14 : 8;
  localparam int SUM_BITS = E_BITS + CLASS_BITS;
  localparam int POINTS = 12;
  localparam int SCALED_BITS = SCORE_BITS + 1 + POINTS;

  generate
    if (MAX_CLASSES < 2 || MAX_CLASSES > 64) begin : g_bad_classes
      $error("MAX_CLASSES must be 2 to 64");
    end
    if (SCORE_BITS < 2 || SCORE_BITS > 33) begin : g_bad_score
      $error("SCORE_BITS must be 2 to 33");
    end
  endgenerate

  wire advance = !m_axis_tvalid || m_axis_tready;
  assign s_axis_tready = advance;

  wire [CLASS_BITS-1:0] last_class = CLASS_BITS'(classes - 7'd1);

  // Pass 1.
  wire take = s_axis_tvalid && advance;
  logic [CLASS_BITS-1:0] index1;
  wire last1 = index1 == last_class;
  logic [PLACE_BITS-1:0] place1;
  logic signed [SCORE_BITS-1:0] scores[0:PLACES-1];
  logic signed [SCORE_BITS-1:0] best, largest;
  logic [CLASS_BITS-1:0] best_index, largest_index;
  logic ends1;

  always_ff @(posedge aclk) begin
    if (take) scores[place1] <= s_axis_tdata;
    if (take && (index1 == 0 || s_axis_tdata > best)) begin
      best <= s_axis_tdata;
      best_index <= index1;
    end
    if (advance && ends1) begin
      largest <= best;
      largest_index <= best_index;
    end
    if (!aresetn) begin
      index1 <= 0;
      place1 <= 0;
      ends1 <= 0;
    end else begin
      if (take) index1 <= last1 ? 0 : index1 + 1'b1;
      if (take) place1 <= place1 + 1'b1;
      if (advance) ends1 <= take && last1;
    end
  end

  // Pass 2, in steps: read, distance, shift by eights, shift, limit, multiply in two, look up, shift.
  localparam int STEPS2 = 9;
  logic active2;
  logic [CLASS_BITS-1:0] index2;
  wire last2 = index2 == last_class;
  logic [PLACE_BITS-1:0] place2;
  logic signed [SCORE_BITS-1:0] score, least_far;  // of a frame: its largest is another's a cycle later
  logic signed [SCORE_BITS:0] distance;
  logic signed [SCALED_BITS-1:0] coarse, fine;
  logic signed [13:0] scaled;
  logic signed [13:0] y;
  logic [POINT_BITS-1:0] point_y;
  logic [E_BITS-1:0] e;
  logic [4:0] octaves;
  logic [STEPS2-1:0] valid2, lasts2, wins2;  // of each step, the last highest
  logic [E_BITS-1:0] best_e;

  wire signed [SCORE_BITS:0] difference;
  wire [7:0] place_y;
  wire [E_BITS-1:0] next_e;
  wire better;  // the share of this class is the largest so far
  generate
    if (PLAIN != 0) begin : g_plain
      wire outside = y[13:7] != {7{y[13]}};
      assign difference = (SCORE_BITS+1)'(score);
      assign place_y = outside ? {y[13], {7{!y[13]}}} : y[7:0];
      assign next_e = point_y;
      assign better = e > best_e;
      wire unused = &{1'b0, least_far, largest_index, octaves, wins2};
    end else begin : g_reduced
      assign difference = (SCORE_BITS+1)'(least_far) - (SCORE_BITS+1)'(score);
      assign place_y = y[7:0];
      assign next_e = ({1'b0, point_y} + 1'b1) >> octaves;
      assign better = wins2[STEPS2-1];
      wire unused = &{1'b0, y[13], best_e};
    end
  endgenerate

  wire fits = fine[SCALED_BITS-1:13] == {(SCALED_BITS-13){fine[SCALED_BITS-1]}};

  // The product as sums of shifted rows, each as wide as it need be: none takes a DSP. At most two
  // sums lie behind each other in a step. The sign of a score counts -2^13.
  function automatic [14:0] two_rows(input [12:0] once, input [1:0] digit);
    two_rows = {2'b0, digit[0] ? once : 13'd0} + {1'b0, digit[1] ? once : 13'd0, 1'b0};
  endfunction

  logic [16:0] low_rows, middle_rows;
  logic signed [14:0] top_row;
  wire [12:0] whole = scaled[12:0];
  wire signed [22:0] product_y = $signed({2'b0, {4'b0, low_rows} + {middle_rows, 4'b0}})
      + $signed({top_row, 8'b0});
  wire unused_product_y = &{1'b0, product_y[8:0]};

  wire [POINT_BITS-1:0] point;
  softmax_curve_rom #(
    .PLAIN(PLAIN)
  ) curve (
    .address(place_y),
    .data(point)
  );

  always_ff @(posedge aclk) begin
    if (advance) begin
      index2 <= ends1 || last2 ? 0 : index2 + 1'b1;
      score <= scores[place2];
      least_far <= largest;
      distance <= difference;
      coarse <= $signed({distance, {POINTS{1'b0}}}) >>> {shift[5:3], 3'd0};
      fine <= coarse >>> shift[2:0];
      scaled <= fits ? fine[13:0] : {fine[SCALED_BITS-1], {13{!fine[SCALED_BITS-1]}}};
      low_rows <= {2'b0, two_rows(whole, multiplier[1:0])} + {two_rows(whole, multiplier[3:2]), 2'b0};
      middle_rows <= {2'b0, two_rows(whole, multiplier[5:4])}
          + {two_rows(whole, multiplier[7:6]), 2'b0};
      top_row <= {2'b0, multiplier[8] ? whole : 13'd0} - {1'b0, scaled[13] ? multiplier : 9'd0, 5'd0};
      y <= product_y[22:9];
      point_y <= point;
      octaves <= y[12:8];
      e <= next_e;
      lasts2 <= {lasts2[STEPS2-2:0], last2};
      wins2 <= {wins2[STEPS2-2:0], index2 == largest_index};
    end
    if (!aresetn) begin
      active2 <= 0;
      place2 <= 0;
      valid2 <= 0;
    end else if (advance) begin
      active2 <= ends1 || (active2 && !last2);
      if (active2) place2 <= place2 + 1'b1;
      valid2 <= {valid2[STEPS2-2:0], active2};
    end
  end

  // The sum, the class that takes the rest, and the sum's reciprocal.
  logic [CLASS_BITS-1:0] index_e, winner, winner_found, winner_looked, winner3;
  logic [PLACE_BITS-1:0] place_e;
  logic [E_BITS-1:0] powers[0:PLACES-1];
  logic [SUM_BITS-1:0] sum;
  logic [SUM_BITS-1:0] sum_found;
  logic ends2;
  logic [1:0] found;  // the sum's octave; its fraction
  logic [3:0] octave_found, octave_looked, octave3;  // of the sum, above 256
  logic [5:0] fraction;
  logic [15:0] reciprocal;

  logic [3:0] sum_octave;
  integer k;
  always_comb begin
    sum_octave = 0;
    for (k = 9; k < SUM_BITS; k = k + 1) if (sum[k]) sum_octave = 4'(k - 8);
  end

  wire [15:0] looked_up;
  softmax_reciprocal_rom reciprocals (
    .address(fraction),
    .data(looked_up)
  );

  wire first_e = index_e == 0;
  always_ff @(posedge aclk) begin
    if (advance && valid2[STEPS2-1]) begin
      powers[place_e] <= e;
      sum <= first_e ? SUM_BITS'(e) : sum + SUM_BITS'(e);
      if (first_e || better) begin
        best_e <= e;
        winner <= index_e;
      end
    end
    if (advance && ends2) begin
      sum_found <= sum;
      octave_found <= sum_octave;
      winner_found <= winner;
    end
    if (advance && found[0]) begin
      octave_looked <= octave_found;
      fraction <= 6'(sum_found >> 2 >> octave_found);
      winner_looked <= winner_found;
    end
    if (advance && found[1]) begin
      octave3 <= octave_looked;
      reciprocal <= looked_up;
      winner3 <= winner_looked;
    end
    if (!aresetn) begin
      index_e <= 0;
      place_e <= 0;
      ends2 <= 0;
      found <= 0;
    end else if (advance) begin
      if (valid2[STEPS2-1]) index_e <= lasts2[STEPS2-1] ? 0 : index_e + 1'b1;
      if (valid2[STEPS2-1]) place_e <= place_e + 1'b1;
      ends2 <= valid2[STEPS2-1] && lasts2[STEPS2-1];
      found <= {found[0], ends2};
    end
  end

  // Pass 3, in steps: read, multiply in two, shift. Then sum up.
  localparam int STEPS3 = 4;
  logic active3;
  logic [CLASS_BITS-1:0] index3;
  wire last3 = index3 == last_class;
  logic [PLACE_BITS-1:0] place3, place_share;
  logic [15:0] power;
  logic [15:0] once;  // of a frame: the reciprocal is another's a cycle later
  logic [17:0] thrice;
  logic [19:0] pairs[0:3];  // of digits of e
  logic [E_BITS-1:0] product;  // without its 16 fractional bits
  logic [11:0] octaves3;  // of the steps but the last, the last highest
  logic [6:0] share;  // of any but the largest: less than half of 255
  logic [STEPS3-1:0] valid3, lasts3, wins3;
  logic [7:0] shares[0:PLACES-1];
  logic [7:0] used, rest;
  logic first_share, ends3;

  // A digit of two bits.
  function automatic [17:0] row(input [1:0] digit, input [15:0] single, input [17:0] three);
    case (digit)
      2'd0: row = 0;
      2'd1: row = {2'b0, single};
      2'd2: row = {1'b0, single, 1'b0};
      default: row = three;
    endcase
  endfunction

  wire [31:0] parts = {8'b0, {4'b0, pairs[0]} + {pairs[1], 4'b0}}
      + {{4'b0, pairs[2]} + {pairs[3], 4'b0}, 8'b0};
  wire unused_parts = &{1'b0, parts};
  wire [6:0] whole_share = 7'(product >> octaves3[11:8]);
  integer n;

  always_ff @(posedge aclk) begin
    if (advance) begin
      index3 <= found[1] || last3 ? 0 : index3 + 1'b1;
      power <= 16'(powers[place3]);
      once <= reciprocal;
      thrice <= {2'b0, reciprocal} + {1'b0, reciprocal, 1'b0};
      for (n = 0; n < 4; n = n + 1) begin
        pairs[n] <= {2'b0, row(power[4*n+:2], once, thrice)}
            + {row(power[4*n+2+:2], once, thrice), 2'b0};
      end
      product <= parts[16+:E_BITS];
      octaves3 <= {octaves3[7:0], octave3};
      share <= wins3[STEPS3-2] ? 0 : whole_share;
      lasts3 <= {lasts3[STEPS3-2:0], last3};
      wins3 <= {wins3[STEPS3-2:0], index3 == winner3};
      if (valid3[STEPS3-1]) begin
        shares[place_share] <= {wins3[STEPS3-1], share};
        used <= first_share ? 8'(share) : used + 8'(share);
      end
      if (ends3) rest <= 8'd255 - used;
    end
    if (!aresetn) begin
      active3 <= 0;
      place3 <= 0;
      place_share <= 0;
      valid3 <= 0;
      first_share <= 1;
      ends3 <= 0;
    end else if (advance) begin
      active3 <= found[1] || (active3 && !last3);
      if (active3) place3 <= place3 + 1'b1;
      valid3 <= {valid3[STEPS3-2:0], active3};
      if (valid3[STEPS3-1]) begin
        first_share <= lasts3[STEPS3-1];
        place_share <= place_share + 1'b1;
      end
      ends3 <= valid3[STEPS3-1] && lasts3[STEPS3-1];
    end
  end

  // Pass 4.
  logic active4, valid4;
  logic [CLASS_BITS-1:0] index4;
  wire last4 = index4 == last_class;
  logic [PLACE_BITS-1:0] place4;
  wire [7:0] chosen = shares[place4];
  logic [7:0] data4;
  assign m_axis_tvalid = valid4;
  assign m_axis_tdata = data4;

  always_ff @(posedge aclk) begin
    if (advance) begin
      index4 <= ends3 || last4 ? 0 : index4 + 1'b1;
      data4 <= chosen[7] ? rest : chosen;
    end
    if (!aresetn) begin
      active4 <= 0;
      place4 <= 0;
      valid4 <= 0;
    end else if (advance) begin
      active4 <= ends3 || (active4 && !last4);
      if (active4) place4 <= place4 + 1'b1;
      valid4 <= active4;
    end
  end
endmodule

`default_nettype wire
